//! Queries over work orders.

use async_graphql::{
    Context, ID, InputObject, Object,
    connection::{Connection, Edge},
};

use super::types::{Installation, InstallationChecklist, Wanted, complete};
use crate::{
    api::{
        ApiResult, Date, PageArguments,
        context::{caller, services},
        page::{Fingerprint, Page, bad_cursor},
    },
    auth::Permission,
    facility::{
        Bureau, FacilityKind, Prefecture,
        graphql::{
            FacilityReference, ListTotal, PrefectureName, organisation_id, resolve, within_bureaus,
        },
    },
    figures::FOREVER,
    installation::{
        InstallationStatus,
        entity::{self, Condition, Cursor, InstallationRow, ListQuery},
    },
};

/// Totals beyond this many are not counted out.
const COUNTED_UP_TO: i64 = 10_000;

/// A page of work orders.
pub type InstallationConnection = Connection<String, Installation, ListTotal>;

/// Which orders a list holds. All conditions must hold; in a list of values, any.
#[derive(Clone, Debug, Default, InputObject)]
pub struct InstallationFilter {
    /// Of this facility.
    facility: Option<FacilityReference>,
    /// At any of these; OPEN and STARTED if none is given.
    #[graphql(default)]
    statuses: Vec<InstallationStatus>,
    /// Of facilities of any of these kinds.
    #[graphql(default)]
    kinds: Vec<FacilityKind>,
    /// Of facilities in any of these prefectures.
    #[graphql(default)]
    prefectures: Vec<PrefectureName>,
    /// Of facilities in the care of any of these regional bureaus.
    #[graphql(default)]
    bureaus: Vec<Bureau>,
    /// Of facilities that engage this vendor today.
    vendor_id: Option<ID>,
    /// Of facilities that are handed on to this support contractor today.
    support_contractor_id: Option<ID>,
    /// Of stores of this chain today.
    chain_id: Option<ID>,
    /// Planned for this day or later.
    planned_from: Option<Date>,
    /// Planned for this day or earlier: with yesterday, what is overdue.
    planned_until: Option<Date>,
    /// With a planned day, or without one.
    has_plan: Option<bool>,
    /// Ended on this day or later.
    ended_from: Option<Date>,
    /// Ended on this day or earlier.
    ended_until: Option<Date>,
}

/// Queries over work orders.
#[derive(Default)]
pub struct InstallationQuery;

#[Object]
impl InstallationQuery {
    /// The work orders that you can see, by the day for which they are planned; those without one come last, and so do
    /// those that have ended. Give `first` or `last`.
    async fn installations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which; without it those that are open.")] filter: Option<
            InstallationFilter,
        >,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<InstallationConnection> {
        let filter = filter.unwrap_or_default();
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let fingerprint = Fingerprint::of(&filter);
        let page = arguments.check(&fingerprint)?;
        let list = list_query(context, filter).await?;
        connection(context, &list, &fingerprint, page).await
    }

    /// The work order that your organisation calls so; null if there is none, or none that you can see.
    async fn installation_by_reference(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Your organisation's own reference.")] reference: String,
    ) -> ApiResult<Option<Installation>> {
        if reference.chars().any(char::is_control) {
            return Ok(None);
        }
        let actor = &caller(context)?.actor;
        let organisations = actor.organisations_with(Permission::FacilityRead);
        let scope = actor.scope(Permission::FacilityRead);
        let condition = Condition::Reference(&organisations, reference.trim());
        let mut rows = entity::find(&services(context)?.database, &scope, condition).await?;
        rows.truncate(1);
        let wanted = Wanted::of(&context.look_ahead());
        let found = complete(context, rows, wanted).await?;
        Ok(found.into_iter().next())
    }

    /// What has to be done at a site, by the kind of facility: every version that was ever published, the newest of
    /// each kind last.
    async fn installation_checklists(
        &self,
        context: &Context<'_>,
    ) -> ApiResult<Vec<InstallationChecklist>> {
        let language = caller(context)?.actor.language;
        let lists = entity::checklists(services(context)?.database.read()).await?;
        let told = |list| InstallationChecklist::told(list, language);
        Ok(lists.into_iter().map(told).collect())
    }
}

async fn list_query(context: &Context<'_>, filter: InstallationFilter) -> ApiResult<ListQuery> {
    let member = |id: Option<ID>| id.as_ref().map(organisation_id).transpose();
    let facility = match filter.facility {
        None => None,
        Some(reference) => {
            let actor = &caller(context)?.actor;
            let database = &services(context)?.database;
            let found = resolve(database, actor, &[reference]).await?;
            Some(found.into_iter().flatten().next())
        }
    };
    let prefectures = filter
        .prefectures
        .into_iter()
        .map(Prefecture::from)
        .collect();
    let open = [InstallationStatus::Open, InstallationStatus::Started];
    let day = |day: Option<Date>| day.map(|day| day.0);
    Ok(ListQuery {
        facility,
        statuses: if filter.statuses.is_empty() {
            open.to_vec()
        } else {
            filter.statuses
        },
        kinds: filter.kinds,
        prefectures: within_bureaus(prefectures, &filter.bureaus),
        vendor: member(filter.vendor_id)?,
        contractor: member(filter.support_contractor_id)?,
        chain: member(filter.chain_id)?,
        planned_from: day(filter.planned_from),
        planned_until: day(filter.planned_until),
        planned: filter.has_plan,
        ended_from: day(filter.ended_from),
        ended_until: day(filter.ended_until),
    })
}

async fn connection(
    context: &Context<'_>,
    list: &ListQuery,
    fingerprint: &Fingerprint,
    page: Page,
) -> ApiResult<InstallationConnection> {
    let database = &services(context)?.database;
    let scope = caller(context)?.actor.scope(Permission::FacilityRead);
    let from = page.from.as_deref().map(read_cursor).transpose()?;
    let (backwards, most) = (page.backwards, page.most());
    let rows = entity::list(database, &scope, list, from.as_ref(), backwards, most).await?;
    let (rows, previous, next) = page.cut(rows);
    let ahead = context.look_ahead();
    let counted = ahead.field("totalCount").exists() || ahead.field("totalCountIsExact").exists();
    let total = if counted {
        entity::count_up_to(database, &scope, list, COUNTED_UP_TO + 1).await?
    } else {
        0
    };
    let total = ListTotal::up_to(total, COUNTED_UP_TO);
    let mut connection = Connection::with_additional_fields(previous, next, total);
    let wanted =
        Wanted::of(&ahead.field("nodes")).or(Wanted::of(&ahead.field("edges").field("node")));
    let cursor = |row: &InstallationRow| {
        let planned_on = row.planned_on.unwrap_or(FOREVER);
        fingerprint.cursor(&[planned_on.to_string(), row.order.id.0.to_string()])
    };
    let cursors: Vec<String> = rows.iter().map(cursor).collect();
    let orders = complete(context, rows, wanted).await?;
    connection.edges = cursors
        .into_iter()
        .zip(orders)
        .map(|(cursor, order)| Edge::new(cursor, order))
        .collect();
    Ok(connection)
}

fn read_cursor(parts: &[String]) -> ApiResult<Cursor> {
    let [planned_on, id] = parts else {
        return Err(bad_cursor());
    };
    Ok(Cursor {
        planned_on: planned_on.parse().map_err(|_| bad_cursor())?,
        id: id.parse().map_err(|_| bad_cursor())?,
    })
}

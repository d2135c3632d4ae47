//! Queries over applications.

use async_graphql::{
    Context, ID, InputObject, Object,
    connection::{Connection, Edge},
};

use super::types::{Application, Wanted, complete};
use crate::{
    api::{
        ApiResult, Date, PageArguments,
        context::{caller, services},
        page::{Fingerprint, row_of_cursor},
    },
    auth::Permission,
    facility::graphql::{FacilityReference, ListTotal, resolve},
    procurement::{
        ApplicationKind, ApplicationStatus,
        entity::{self, ListQuery},
    },
    supply::graphql::named_model,
};

/// Totals beyond this many are not counted out.
const COUNTED_UP_TO: i64 = 10_000;

/// A page of applications.
pub type ApplicationConnection = Connection<String, Application, ListTotal>;

/// Which applications a list holds. All conditions must hold; in a list of values, any.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ApplicationFilter {
    /// Of this facility.
    facility: Option<FacilityReference>,
    /// For any of these.
    #[graphql(default)]
    kinds: Vec<ApplicationKind>,
    /// At any of these.
    #[graphql(default)]
    statuses: Vec<ApplicationStatus>,
    /// Where they stand since this day or longer: what has not moved.
    since_until: Option<Date>,
    /// With a certificate that expires on this day or earlier.
    expires_until: Option<Date>,
    /// For readers of this model.
    model_id: Option<ID>,
}

/// Queries over applications.
#[derive(Default)]
pub struct ProcurementQuery;

#[Object]
impl ProcurementQuery {
    /// The applications of facilities that you can see, the last that was filed first. Give `first` or `last`.
    async fn applications(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which; all if not given.")] filter: Option<ApplicationFilter>,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<ApplicationConnection> {
        let filter = filter.unwrap_or_default();
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let fingerprint = Fingerprint::of(&filter);
        let page = arguments.check(&fingerprint)?;
        let from = page.from.as_deref().map(row_of_cursor).transpose()?;
        let list = list_query(context, filter).await?;
        let database = &services(context)?.database;
        let scope = caller(context)?.actor.scope(Permission::FacilityRead);
        let (backwards, most) = (page.backwards, page.most());
        let rows = entity::list(database, &scope, &list, from, backwards, most).await?;
        let (rows, previous, next) = page.cut(rows);
        let ahead = context.look_ahead();
        let counted =
            ahead.field("totalCount").exists() || ahead.field("totalCountIsExact").exists();
        let total = if counted {
            entity::count_up_to(database, &scope, &list, COUNTED_UP_TO + 1).await?
        } else {
            0
        };
        let total = ListTotal::up_to(total, COUNTED_UP_TO);
        let wanted =
            Wanted::of(&ahead.field("nodes")).or(Wanted::of(&ahead.field("edges").field("node")));
        let cursors: Vec<String> = rows
            .iter()
            .map(|row| fingerprint.cursor(&[row.application.id.0.to_string()]))
            .collect();
        let applications = complete(context, rows, wanted).await?;
        let mut connection = Connection::with_additional_fields(previous, next, total);
        connection.edges = cursors
            .into_iter()
            .zip(applications)
            .map(|(cursor, application)| Edge::new(cursor, application))
            .collect();
        Ok(connection)
    }
}

async fn list_query(context: &Context<'_>, filter: ApplicationFilter) -> ApiResult<ListQuery> {
    let facility = match filter.facility {
        None => None,
        Some(reference) => {
            let actor = &caller(context)?.actor;
            let database = &services(context)?.database;
            let found = resolve(database, actor, &[reference]).await?;
            Some(found.into_iter().flatten().next())
        }
    };
    let model = filter.model_id.as_ref().map(named_model);
    Ok(ListQuery {
        facility,
        kinds: filter.kinds,
        statuses: filter.statuses,
        since_until: filter.since_until.map(|day| day.0),
        expires_until: filter.expires_until.map(|day| day.0),
        model: model.transpose()?,
    })
}

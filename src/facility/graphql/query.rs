//! Queries over the registry.

use async_graphql::{
    Context, ID, InputObject, Object, OneofObject, SimpleObject,
    connection::{Connection, Edge},
};
use chrono::Days;

use super::{
    PrefectureName,
    types::{Facility, Selected, bad_id, facility},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, Page, PageArguments,
        context::{caller, services},
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor},
    },
    app::calendar::business_days_before,
    auth::{Actor, Permission},
    db::{Database, DbErr, FacilityId, OrganisationId},
    facility::{
        Bureau, FacilityKind, InstitutionCode, Prefecture,
        entity::{self, BlockedFilter, Condition, Cursor, ListQuery, Order, PlannedFilter},
        text,
    },
    milestone::{Blocker, Milestone, Stage},
};

/// Totals beyond this many are not counted out.
const COUNTED_UP_TO: i64 = 10_000;

/// Longest text that is searched for, folded, in characters.
const MOST_SEARCHED: usize = 100;
/// More days ago than this is before everything, and perhaps beyond what a database can tell of time.
const MOST_DAYS_AGO: u64 = 365_000;
/// Nobody has waited for more business days than this.
const MOST_BUSINESS_DAYS: u32 = 10_000;

/// How the caller names a facility: give exactly one.
#[derive(Clone, Debug, OneofObject, serde::Serialize)]
pub enum FacilityReference {
    /// Global id.
    Id(ID),
    /// Institution code, past or present; full-width digits are read too.
    Code(String),
    /// Your organisation's own reference.
    Reference(String),
}

/// What a list holds unless its caller says otherwise, with a filter or without one: what is open.
const OPEN: Option<bool> = Some(true);

/// Which facilities a list holds. All conditions must hold; in a list of values, any.
#[derive(Clone, Debug, InputObject)]
pub struct FacilityFilter {
    /// A part of the name, kana or address, at least two characters. Width, case and kana make no difference.
    pub search: Option<String>,
    /// Any of these kinds.
    #[graphql(default)]
    pub kinds: Vec<FacilityKind>,
    /// In any of these prefectures.
    #[graphql(default)]
    pub prefectures: Vec<PrefectureName>,
    /// In the care of any of these regional bureaus.
    #[graphql(default)]
    pub bureaus: Vec<Bureau>,
    /// At any of these stages.
    #[graphql(default)]
    pub stages: Vec<Stage>,
    /// Engages this vendor today.
    pub vendor_id: Option<ID>,
    /// Engages a vendor today, or none.
    pub has_vendor: Option<bool>,
    /// Belongs to this chain today.
    pub chain_id: Option<ID>,
    /// Is owned by this corporation of its chain today.
    pub corporation_id: Option<ID>,
    /// Belongs to this area of its chain today.
    pub area_id: Option<ID>,
    /// Public institution or not.
    pub public_institution: Option<bool>,
    /// Open today (the default), or not, or null for both.
    #[graphql(default_with = "OPEN")]
    pub open: Option<bool>,
    /// A milestone is planned in a time.
    pub planned: Option<PlannedInput>,
    /// Something holds it up today, or (`false`) nothing does.
    pub has_blocker: Option<bool>,
    /// Something in particular holds it up today, or anything for some time.
    pub blocked: Option<BlockedInput>,
    /// The last milestone was reached at least this many days ago.
    pub days_since_last_milestone_at_least: Option<i32>,
    /// The last milestone was reached at most this many days ago.
    pub days_since_last_milestone_at_most: Option<i32>,
    /// Open, not live, and at least so many business days have passed since the last milestone, or since it opened if
    /// there is none.
    pub waiting_business_days_at_least: Option<i32>,
}

impl Default for FacilityFilter {
    fn default() -> Self {
        Self {
            search: None,
            kinds: Vec::new(),
            prefectures: Vec::new(),
            bureaus: Vec::new(),
            stages: Vec::new(),
            vendor_id: None,
            has_vendor: None,
            chain_id: None,
            corporation_id: None,
            area_id: None,
            public_institution: None,
            open: OPEN,
            planned: None,
            has_blocker: None,
            blocked: None,
            days_since_last_milestone_at_least: None,
            days_since_last_milestone_at_most: None,
            waiting_business_days_at_least: None,
        }
    }
}

/// A milestone planned between two days, both included.
#[derive(Clone, Debug, InputObject)]
pub struct PlannedInput {
    /// Which milestone.
    milestone: Milestone,
    /// On this day or later.
    from: Option<Date>,
    /// On this day or earlier.
    until: Option<Date>,
}

/// What holds a facility up, and for how long.
#[derive(Clone, Debug, InputObject)]
pub struct BlockedInput {
    /// Any of these; whatever it is if none is given.
    #[graphql(default)]
    by: Vec<Blocker>,
    /// For at least so many business days.
    business_days_at_least: Option<i32>,
}

/// The order of a list of facilities.
#[derive(Clone, Copy, Debug, Default, InputObject)]
pub struct FacilityOrder {
    /// By what.
    #[graphql(default)]
    field: Order,
    /// From the greatest to the least.
    #[graphql(default)]
    descending: bool,
}

/// What a connection says of the whole list.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct ListTotal {
    /// How many the list has; counted up to 10,000.
    total_count: i64,
    /// Whether `totalCount` is all, or the list has more.
    total_count_is_exact: bool,
}

impl ListTotal {
    /// A count that is known exactly.
    pub fn exact(total_count: i64) -> Self {
        Self {
            total_count,
            total_count_is_exact: true,
        }
    }

    /// A count that went up to one more than this many.
    pub fn up_to(counted: i64, most: i64) -> Self {
        Self {
            total_count: counted.min(most),
            total_count_is_exact: counted <= most,
        }
    }
}

/// A page of facilities.
pub type FacilityConnection = Connection<String, Facility, ListTotal>;

/// Queries over the registry.
#[derive(Default)]
pub struct FacilityQuery;

#[Object]
impl FacilityQuery {
    /// The facility with this institution code, past or present. Null if there is none, or none that you
    /// can see.
    async fn facility_by_code(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Ten digits, full-width ones too.")] code: String,
    ) -> ApiResult<Option<Facility>> {
        let Ok(code) = InstitutionCode::parse(&code) else {
            return Err(ApiError::bad_input(
                "INVALID_INSTITUTION_CODE",
                "an institution code has ten digits, the last a check digit",
            ));
        };
        let selected = Selected::of(&context.look_ahead());
        let condition = Condition::Code(code.to_string());
        let actor = &caller(context)?.actor;
        facility(services(context)?, actor, &condition, selected).await
    }

    /// The facility for which your organisation keeps this reference of its own; with several organisations, the
    /// first that does.
    async fn facility_by_reference(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Your organisation's own reference.")] reference: String,
    ) -> ApiResult<Option<Facility>> {
        let actor = &caller(context)?.actor;
        let services = services(context)?;
        let named = [FacilityReference::Reference(reference)];
        let found = resolve(&services.database, actor, &named).await?;
        let Some(id) = found.into_iter().flatten().next() else {
            return Ok(None);
        };
        let selected = Selected::of(&context.look_ahead());
        facility(services, actor, &Condition::Id(id), selected).await
    }

    /// The facilities that you can see, filtered and ordered.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the arguments of a connection"
    )]
    async fn facilities(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which facilities.")] filter: Option<FacilityFilter>,
        #[graphql(desc = "In which order; by institution code if not given.")] order_by: Option<
            FacilityOrder,
        >,
        #[graphql(desc = "How many, from `after` on; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<FacilityConnection> {
        let (filter, order) = (filter.unwrap_or_default(), order_by.unwrap_or_default());
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        facility_page(context, filter, order, arguments).await
    }
}

/// A page of the facilities that pass a filter, as far as the caller can see them.
pub async fn facility_page(
    context: &Context<'_>,
    filter: FacilityFilter,
    order: FacilityOrder,
    arguments: PageArguments,
) -> ApiResult<FacilityConnection> {
    // Of what was asked: what follows from it is another with every day, and cursors outlive a day.
    let fingerprint = Fingerprint::of(&(&filter, order));
    let list = list_query(filter, order, services(context)?.clock.today())?;
    let asked = arguments.check(&fingerprint)?;
    page(context, &list, &fingerprint, asked).await
}

/// A page of a list, with what the query selects of its facilities.
async fn page(
    context: &Context<'_>,
    list: &ListQuery,
    fingerprint: &Fingerprint,
    page: Page,
) -> ApiResult<FacilityConnection> {
    let services = services(context)?;
    let database = &services.database;
    let actor = &caller(context)?.actor;
    let scope = actor.scope(Permission::FacilityRead);
    let from = page.from.as_deref();
    let cursor = from
        .map(|parts| Cursor::read(list.order, parts).ok_or_else(bad_cursor))
        .transpose()?;
    let ahead = context.look_ahead();
    let mut selected = Selected::of(&ahead.field("nodes"));
    let by_edge = Selected::of(&ahead.field("edges").field("node"));
    selected.merge(by_edge);
    let rows = entity::list(
        database,
        &scope,
        list,
        selected.fields,
        cursor.as_ref(),
        page.backwards,
        page.most(),
    )
    .await?;
    let (rows, before, after) = page.cut(rows);
    let counted = ahead.field("totalCount").exists() || ahead.field("totalCountIsExact").exists();
    let total = if counted {
        entity::count_up_to(database, &scope, list, COUNTED_UP_TO + 1).await?
    } else {
        0
    };
    let total = ListTotal::up_to(total, COUNTED_UP_TO);
    let mut connection = Connection::with_additional_fields(before, after, total);
    // Most pages are asked for their ends alone; the cursors between them are not made for nobody to see.
    let all = ahead.field("edges").field("cursor").exists();
    let ends = [0, rows.len().saturating_sub(1)];
    let cursors: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| {
            if all || ends.contains(&place) {
                fingerprint.cursor(&Cursor::parts(list.order, row))
            } else {
                String::new()
            }
        })
        .collect();
    let facilities = selected.complete(services, actor, rows).await?;
    connection.edges = cursors
        .into_iter()
        .zip(facilities)
        .map(|(cursor, facility)| Edge::new(cursor, facility))
        .collect();
    Ok(connection)
}

/// The facilities of a filter in the order of their codes, as they are exported.
pub fn export_query(filter: FacilityFilter, today: chrono::NaiveDate) -> ApiResult<ListQuery> {
    list_query(filter, FacilityOrder::default(), today)
}

fn list_query(
    filter: FacilityFilter,
    order: FacilityOrder,
    today: chrono::NaiveDate,
) -> ApiResult<ListQuery> {
    let search = filter.search.map(|text| fold_search(&text)).transpose()?;
    let prefectures = filter
        .prefectures
        .into_iter()
        .map(Prefecture::from)
        .collect();
    let ago = |days: Option<i32>| {
        days.map(|days| {
            u64::try_from(days)
                .ok()
                .and_then(|days| today.checked_sub_days(Days::new(days.min(MOST_DAYS_AGO))))
                .ok_or_else(|| ApiError::bad_input("BAD_FILTER", "days are 0 or more"))
        })
        .transpose()
    };
    let blocked = filter.blocked.map(|blocked| blocked_filter(blocked, today));
    let blocked = blocked.transpose()?;
    let waiting = filter.waiting_business_days_at_least;
    let waiting = waiting.map(|days| business_days_ago(days, today));
    let member = |id: Option<ID>| id.as_ref().map(organisation_id).transpose();
    Ok(ListQuery {
        search,
        kinds: filter.kinds,
        prefectures: within_bureaus(prefectures, &filter.bureaus),
        stages: filter.stages,
        vendor: member(filter.vendor_id)?,
        has_vendor: filter.has_vendor,
        chain: member(filter.chain_id)?,
        corporation: member(filter.corporation_id)?,
        area: member(filter.area_id)?,
        public_institution: filter.public_institution,
        open: filter.open.map(|open| (today, open)),
        planned: filter.planned.map(|planned| PlannedFilter {
            milestone: planned.milestone,
            from: planned.from.map(|day| day.0),
            until: planned.until.map(|day| day.0),
        }),
        has_blocker: filter.has_blocker,
        blocked,
        last_milestone_until: ago(filter.days_since_last_milestone_at_least)?,
        last_milestone_from: ago(filter.days_since_last_milestone_at_most)?,
        waiting_since: waiting.transpose()?.map(|since| (today, since)),
        order: order.field,
        descending: order.descending,
    })
}

fn business_days_ago(days: i32, today: chrono::NaiveDate) -> ApiResult<chrono::NaiveDate> {
    u32::try_from(days)
        .map(|days| business_days_before(today, days.min(MOST_BUSINESS_DAYS)))
        .map_err(|_| ApiError::bad_input("BAD_FILTER", "business days are 0 or more"))
}

fn blocked_filter(blocked: BlockedInput, today: chrono::NaiveDate) -> ApiResult<BlockedFilter> {
    let since = blocked.business_days_at_least;
    Ok(BlockedFilter {
        by: blocked.by,
        since: since
            .map(|days| business_days_ago(days, today))
            .transpose()?,
    })
}

/// Prefectures that were named and lie in a bureau that was named, which may be none; `None` if neither
/// were named.
pub fn within_bureaus(prefectures: Vec<Prefecture>, bureaus: &[Bureau]) -> Option<Vec<Prefecture>> {
    if bureaus.is_empty() {
        return Some(prefectures).filter(|named| !named.is_empty());
    }
    let within = Prefecture::all()
        .filter(|prefecture| bureaus.contains(&prefecture.bureau()))
        .filter(|prefecture| prefectures.is_empty() || prefectures.contains(prefecture));
    Some(within.collect())
}

/// Folds what is searched for, if it is not too long for that: folding can make eighteen characters of one, and of two
/// at the least one.
pub fn fold_search(text: &str) -> ApiResult<String> {
    let bad = || ApiError::bad_input("BAD_SEARCH", "search for 2 to 100 characters");
    if text.chars().nth(2 * MOST_SEARCHED).is_some() || has_control_characters(text) {
        return Err(bad());
    }
    let folded = text::fold(text);
    if !(2..=MOST_SEARCHED).contains(&folded.chars().count()) {
        return Err(bad());
    }
    Ok(folded)
}

/// No text with these is stored, and PostgreSQL doesn't even take one with a NUL to compare with.
fn has_control_characters(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// A global id that must be an organisation's.
pub fn organisation_id(id: &ID) -> ApiResult<OrganisationId> {
    NodeId::row_of(id, NodeKind::Organisation)
        .map(OrganisationId)
        .ok_or_else(bad_id)
}

/// The organisation that a global id names; an id of another type names nobody, and is looked for in vain.
pub fn organisation_of(id: &ID) -> OrganisationId {
    OrganisationId(NodeId::row_of(id, NodeKind::Organisation).unwrap_or(0))
}

/// The facilities that callers name, as far as the actor can see them.
pub async fn resolve(
    database: &Database,
    actor: &Actor,
    references: &[FacilityReference],
) -> Result<Vec<Option<FacilityId>>, DbErr> {
    let scope = actor.scope(Permission::FacilityRead);
    let codes: Vec<InstitutionCode> = references
        .iter()
        .filter_map(|reference| match reference {
            FacilityReference::Code(code) => InstitutionCode::parse(code).ok(),
            _ => None,
        })
        .collect();
    let own: Vec<String> = references
        .iter()
        .filter_map(|reference| match reference {
            FacilityReference::Reference(reference) => Some(reference),
            _ => None,
        })
        .filter(|reference| !has_control_characters(reference))
        .cloned()
        .collect();
    let by_code = if codes.is_empty() {
        std::collections::HashMap::new()
    } else {
        entity::find_by_codes(database, &scope, &codes).await?
    };
    let by_reference = if own.is_empty() {
        std::collections::HashMap::new()
    } else {
        let organisations = actor.organisations_with(Permission::FacilityRead);
        entity::find_by_references(database, &scope, &organisations, own).await?
    };
    Ok(references
        .iter()
        .map(|reference| match reference {
            FacilityReference::Id(id) => NodeId::row_of(id, NodeKind::Facility).map(FacilityId),
            FacilityReference::Code(code) => InstitutionCode::parse(code)
                .ok()
                .and_then(|code| by_code.get(&code))
                .map(|found| found.facility),
            FacilityReference::Reference(reference) => by_reference.get(reference).copied(),
        })
        .collect())
}

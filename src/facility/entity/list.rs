//! Finding facilities: one by id or code, and pages of a filtered, ordered list. One statement fetches
//! all that was asked for, and nothing that was not.

use chrono::{Datelike, NaiveDate};
use sea_orm::{ConnectionTrait, Value};

use super::registry::push_search;
use crate::{
    auth::{OrganisationName, Scope, entity::push_scope, read_name},
    db::{Database, DbErr, FacilityId, OrganisationId, Query, Row},
    facility::{
        FacilityKind, Prefecture,
        columns::{read_kind, read_prefecture},
    },
    milestone::{Blocker, Milestone, PerMilestone, Stage, entity::read_stage},
};

/// What a query wants of each facility beyond what every row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The name, and that in katakana.
    pub names: bool,
    /// Postal code, address, telephone and mail.
    pub contacts: bool,
    /// The ten dates.
    pub milestones: bool,
    /// The vendor's name.
    pub vendor: bool,
    /// The chain's name.
    pub chain: bool,
    /// The support contractor's name.
    pub contractor: bool,
    /// The name of the chain's corporation.
    pub corporation: bool,
    /// The name of the chain's area.
    pub area: bool,
}

/// A facility as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacilityRow {
    /// Its id.
    pub id: FacilityId,
    /// Its present code.
    pub code: String,
    /// Counts up with every change.
    pub version: i32,
    /// What it is.
    pub kind: FacilityKind,
    /// Where it is.
    pub prefecture: Prefecture,
    /// Public institution or not.
    pub public_institution: bool,
    /// The day it opened.
    pub opened_on: NaiveDate,
    /// The day from which it no longer counts.
    pub closed_on: Option<NaiveDate>,
    /// How far it has come.
    pub stage: Stage,
    /// When it last reached a milestone.
    pub last_milestone_on: Option<NaiveDate>,
    /// Its name and that in katakana, if asked for.
    pub names: Option<(String, String)>,
    /// Postal code, address, telephone and mail, if asked for.
    pub contacts: Option<(String, String, String, Option<String>)>,
    /// Since when each milestone is in effect, if asked for.
    pub milestones: Option<PerMilestone<Option<NaiveDate>>>,
    /// The vendor it engages, if asked for.
    pub vendor: Option<OrganisationName>,
    /// The chain it belongs to, if asked for.
    pub chain: Option<OrganisationName>,
    /// The support contractor it is handed on to, if asked for.
    pub contractor: Option<OrganisationName>,
    /// The corporation of its chain that owns it, if asked for.
    pub corporation: Option<OrganisationName>,
    /// The area of its chain that it belongs to, if asked for.
    pub area: Option<OrganisationName>,
}

/// What one facility is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its id.
    Id(FacilityId),
    /// A code, past or present.
    Code(String),
}

/// By which a list is ordered; ties are broken by the institution code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, async_graphql::Enum)]
#[graphql(name = "FacilityOrderField")]
pub enum Order {
    /// The institution code.
    #[default]
    Code,
    /// The name, by the characters it is written with.
    Name,
    /// The name in katakana.
    NameKana,
    /// The prefecture, then the kind.
    Prefecture,
    /// The day of opening.
    OpenedOn,
    /// The day of closing; those that have none last.
    ClosedOn,
    /// The stage.
    Stage,
    /// The day on which the last milestone was reached; none first.
    LastMilestoneOn,
}

/// Stands for a day that is missing and comes first.
const BEFORE_ALL: &str = "0001-01-01";
/// Stands for a day that is missing and comes last.
const AFTER_ALL: &str = "9999-12-31";

impl Order {
    /// The columns, none of them ever null, and the last of them without ties.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Code => &["s.code"],
            Self::Name => &["f.name", "s.code"],
            Self::NameKana => &["f.name_kana", "s.code"],
            Self::Prefecture => &["s.prefecture", "s.kind", "s.code"],
            Self::OpenedOn => &["s.opened_on", "s.code"],
            Self::ClosedOn => &["COALESCE(s.closed_on, '9999-12-31')", "s.code"],
            Self::Stage => &["s.stage", "s.code"],
            // An index has this expression, word for word.
            Self::LastMilestoneOn => &["COALESCE(s.last_milestone_on, '0001-01-01')", "s.code"],
        }
    }

    /// The values of the columns but for the code, as a cursor holds them.
    fn texts(self, row: &FacilityRow) -> Vec<String> {
        let day = |day: Option<NaiveDate>, missing: &str| {
            day.map_or_else(|| missing.to_owned(), |day| day.to_string())
        };
        match self {
            Self::Code => Vec::new(),
            Self::Name => row.names.iter().map(|(name, _)| name.clone()).collect(),
            Self::NameKana => row.names.iter().map(|(_, kana)| kana.clone()).collect(),
            Self::Prefecture => vec![
                row.prefecture.number().to_string(),
                row.kind.code().to_string(),
            ],
            Self::OpenedOn => vec![row.opened_on.to_string()],
            Self::ClosedOn => vec![day(row.closed_on, AFTER_ALL)],
            Self::Stage => vec![row.stage.code().to_string()],
            Self::LastMilestoneOn => vec![day(row.last_milestone_on, BEFORE_ALL)],
        }
    }

    /// The value of a column but the code from a cursor.
    fn value(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Code => return None,
            Self::Name | Self::NameKana => text.into(),
            Self::Prefecture | Self::Stage => text.parse::<i16>().ok()?.into(),
            Self::OpenedOn | Self::ClosedOn | Self::LastMilestoneOn => {
                let day: NaiveDate = text.parse().ok()?;
                // What lies beyond is no day to PostgreSQL, or not in order as a text.
                (0..=9999).contains(&day.year()).then(|| day.into())?
            }
        })
    }
}

/// A place in an ordered list.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor(Vec<Value>);

impl Cursor {
    /// The place of a row of a list.
    pub fn of(order: Order, row: &FacilityRow) -> Option<Self> {
        Self::read(order, &Self::parts(order, row))
    }

    /// The place of a row as texts.
    pub fn parts(order: Order, row: &FacilityRow) -> Vec<String> {
        let mut parts = order.texts(row);
        parts.push(row.code.clone());
        parts
    }

    /// The place that such texts name; `None` if they are no place in a list of this order.
    pub fn read(order: Order, parts: &[String]) -> Option<Self> {
        let (code, before) = parts.split_last()?;
        if parts.len() != order.columns().len() {
            return None;
        }
        let mut values: Vec<Value> = before
            .iter()
            .map(|text| order.value(text))
            .collect::<Option<_>>()?;
        values.push(code.as_str().into());
        Some(Self(values))
    }
}

/// A milestone planned between two days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFilter {
    /// Which milestone.
    pub milestone: Milestone,
    /// From this day.
    pub from: Option<NaiveDate>,
    /// Until this day.
    pub until: Option<NaiveDate>,
}

/// What holds a facility up, and since when at the latest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedFilter {
    /// Any of these; whatever it is if there is none.
    pub by: Vec<Blocker>,
    /// Since this day or longer.
    pub since: Option<NaiveDate>,
}

/// A filtered and ordered list of facilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// A part of the name, kana or address, folded; at least two characters.
    pub search: Option<String>,
    /// Any of these kinds.
    pub kinds: Vec<FacilityKind>,
    /// Any of these prefectures, which may be none; bureaus are resolved to theirs.
    pub prefectures: Option<Vec<Prefecture>>,
    /// Any of these stages.
    pub stages: Vec<Stage>,
    /// Engages this vendor.
    pub vendor: Option<OrganisationId>,
    /// Engages any vendor, or (`false`) none.
    pub has_vendor: Option<bool>,
    /// Belongs to this chain.
    pub chain: Option<OrganisationId>,
    /// Is owned by this corporation of its chain.
    pub corporation: Option<OrganisationId>,
    /// Belongs to this area of its chain.
    pub area: Option<OrganisationId>,
    /// Public institution or not.
    pub public_institution: Option<bool>,
    /// Open on this day, or (`false`) not.
    pub open: Option<(NaiveDate, bool)>,
    /// A milestone planned in a time.
    pub planned: Option<PlannedFilter>,
    /// Anything holds it up, or (`false`) nothing does.
    pub has_blocker: Option<bool>,
    /// Something holds it up.
    pub blocked: Option<BlockedFilter>,
    /// The last milestone was reached on or before this day.
    pub last_milestone_until: Option<NaiveDate>,
    /// The last milestone was reached on or after this day.
    pub last_milestone_from: Option<NaiveDate>,
    /// Open on the first day, not live, and its last milestone was reached, or it was opened if there is none, on the
    /// second or before.
    pub waiting_since: Option<(NaiveDate, NaiveDate)>,
    /// The order.
    pub order: Order,
    /// Backwards.
    pub descending: bool,
}

/// The facility in a scope that fits.
pub async fn find(
    connection: &impl ConnectionTrait,
    scope: &Scope,
    condition: &Condition,
    fields: Fields,
) -> Result<Option<FacilityRow>, DbErr> {
    let mut query = Query::default();
    push_select(&mut query, fields);
    query.push(" WHERE ");
    match condition {
        Condition::Id(id) => {
            query.push("s.facility_id = ").bind(id.0);
        }
        Condition::Code(code) => {
            query
                .push("s.facility_id = (SELECT facility_id FROM facility_code WHERE code = ")
                .bind(code.as_str())
                .push(")");
        }
    }
    query.push(" AND ");
    push_scope(&mut query, scope, "s");
    let row = query.one(connection).await?;
    row.map(|row| read(&mut Row::new(&row), fields)).transpose()
}

/// The facilities in a scope with these ids, in no order.
pub async fn find_all(
    database: &Database,
    scope: &Scope,
    ids: &[FacilityId],
    fields: Fields,
) -> Result<Vec<FacilityRow>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::default();
    push_select(&mut query, fields);
    query.push(" WHERE s.facility_id");
    query.bind_ids(database.backend(), ids.iter().map(|id| id.0));
    query.push(" AND ");
    push_scope(&mut query, scope, "s");
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read(&mut Row::new(row), fields))
        .collect()
}

/// A page of a list: the `most` facilities after (or, `backwards`, before) a place, in the list's order.
pub async fn list(
    database: &Database,
    scope: &Scope,
    list: &ListQuery,
    fields: Fields,
    from: Option<&Cursor>,
    backwards: bool,
    most: u64,
) -> Result<Vec<FacilityRow>, DbErr> {
    // The place of a row holds what the list is ordered by, and a search needs the names as well.
    let by_name = matches!(list.order, Order::Name | Order::NameKana);
    let fields = Fields {
        names: fields.names || by_name || list.search.is_some(),
        ..fields
    };
    let mut query = Query::default();
    push_select(&mut query, fields);
    push_where(&mut query, database, scope, list);
    let descending = list.descending != backwards;
    let columns = list.order.columns();
    if let Some(Cursor(values)) = from {
        query.push(" AND (").push(&columns.join(", "));
        query.push(if descending { ") < (" } else { ") > (" });
        query.bind_all(values.iter().cloned()).push(")");
    }
    let direction = if descending { " DESC" } else { "" };
    query.push(" ORDER BY ");
    query.push(&columns.join(&format!("{direction}, ")));
    query.push(direction);
    query
        .push(" LIMIT ")
        .bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.all(database.read()).await?;
    let mut rows: Vec<FacilityRow> = rows
        .iter()
        .map(|row| read(&mut Row::new(row), fields))
        .collect::<Result<_, _>>()?;
    if backwards {
        rows.reverse();
    }
    Ok(rows)
}

/// How many facilities a list has, counted up to a limit.
pub async fn count_up_to(
    database: &Database,
    scope: &Scope,
    list: &ListQuery,
    limit: i64,
) -> Result<i64, DbErr> {
    let names = list.search.is_some();
    let mut query = Query::new("SELECT count(*) FROM (SELECT 1 FROM facility_state s");
    if names {
        query.push(" JOIN facility f ON f.id = s.facility_id");
    }
    push_where(&mut query, database, scope, list);
    query.push(" LIMIT ").bind(limit).push(") AS counted");
    query.scalar(database.read()).await
}

fn push_select(query: &mut Query, fields: Fields) {
    query.push(
        "SELECT s.facility_id, s.code, s.version, s.kind, s.prefecture, s.public_institution, s.opened_on, \
         s.closed_on, s.stage, s.last_milestone_on",
    );
    if fields.names {
        query.push(", f.name, f.name_kana");
    }
    if fields.contacts {
        query.push(", f.postal_code, f.address, f.phone, f.email");
    }
    if fields.milestones {
        for milestone in Milestone::ALL {
            query.push(", s.").push(milestone.column());
        }
    }
    if fields.vendor {
        query.push(", v.id, v.name");
    }
    if fields.chain {
        query.push(", c.id, c.name");
    }
    if fields.contractor {
        query.push(", k.id, k.name");
    }
    if fields.corporation {
        query.push(", p.id, p.name");
    }
    if fields.area {
        query.push(", a.id, a.name");
    }
    query.push(" FROM facility_state s");
    if fields.names || fields.contacts {
        query.push(" JOIN facility f ON f.id = s.facility_id");
    }
    if fields.vendor {
        query.push(" LEFT JOIN organisation v ON v.id = s.vendor_id");
    }
    if fields.chain {
        query.push(" LEFT JOIN organisation c ON c.id = s.chain_id");
    }
    if fields.contractor {
        query.push(" LEFT JOIN organisation k ON k.id = s.contractor_id");
    }
    if fields.corporation {
        query.push(" LEFT JOIN organisation p ON p.id = s.corporation_id");
    }
    if fields.area {
        query.push(" LEFT JOIN organisation a ON a.id = s.area_id");
    }
}

fn push_where(query: &mut Query, database: &Database, scope: &Scope, list: &ListQuery) {
    // Named one by one, so that a new condition can't be forgotten here.
    let ListQuery {
        search,
        kinds,
        prefectures,
        stages,
        vendor,
        has_vendor,
        chain,
        corporation,
        area,
        public_institution,
        open,
        planned,
        has_blocker,
        blocked,
        last_milestone_until,
        last_milestone_from,
        waiting_since,
        order: _,
        descending: _,
    } = list;
    query.push(" WHERE ");
    push_scope(query, scope, "s");
    if let Some(folded) = search {
        query.push(" AND ");
        push_search(query, database.backend(), folded);
    }
    query.and_any("s.kind", kinds.iter().map(|kind| kind.code()));
    if let Some(prefectures) = prefectures {
        let numbers = prefectures.iter().map(|p| i16::from(p.number()));
        query.and_any("s.prefecture", numbers);
        if prefectures.is_empty() {
            query.push(" AND FALSE");
        }
    }
    query.and_any("s.stage", stages.iter().map(|stage| stage.code()));
    push_member(query, "s.vendor_id", *vendor);
    if let Some(has_vendor) = *has_vendor {
        query.push(" AND s.vendor_id ");
        query.push(if has_vendor { "<> 0" } else { "= 0" });
    }
    push_member(query, "s.chain_id", *chain);
    push_member(query, "s.corporation_id", *corporation);
    push_member(query, "s.area_id", *area);
    if let Some(public) = *public_institution {
        query.push(" AND s.public_institution = ").bind(public);
    }
    if let Some((day, open)) = *open {
        query.push(if open { " AND " } else { " AND NOT " });
        push_open(query, day);
    }
    if let Some((today, since)) = *waiting_since {
        query.push(" AND ");
        push_open(query, today);
        query.push(" AND s.stage <> ").bind(Stage::Live.code());
        query.push(" AND COALESCE(s.last_milestone_on, s.opened_on) <= ");
        query.bind(since);
    }
    if let Some(day) = *last_milestone_until {
        query.push(" AND s.last_milestone_on <= ").bind(day);
    }
    if let Some(day) = *last_milestone_from {
        query.push(" AND s.last_milestone_on >= ").bind(day);
    }
    let any_blocker = BlockedFilter {
        by: Vec::new(),
        since: None,
    };
    if let Some(has_blocker) = *has_blocker {
        query.push(if has_blocker { " AND " } else { " AND NOT " });
        push_blocked(query, &any_blocker);
    }
    if let Some(blocked) = blocked {
        query.push(" AND ");
        push_blocked(query, blocked);
    }
    if let Some(planned) = planned {
        query.push(
            " AND EXISTS (SELECT 1 FROM milestone_plan p WHERE p.facility_id = s.facility_id AND p.milestone = ",
        );
        query.bind(planned.milestone.code());
        if let Some(from) = planned.from {
            query.push(" AND p.planned_on >= ").bind(from);
        }
        if let Some(until) = planned.until {
            query.push(" AND p.planned_on <= ").bind(until);
        }
        query.push(")");
    }
}

fn push_open(query: &mut Query, day: NaiveDate) {
    query.push("(s.opened_on <= ").bind(day);
    query.push(" AND (s.closed_on IS NULL OR s.closed_on > ");
    query.bind(day).push("))");
}

fn push_blocked(query: &mut Query, blocked: &BlockedFilter) {
    query.push("EXISTS (SELECT 1 FROM facility_blocker b WHERE b.facility_id = s.facility_id");
    query.and_any("b.blocker", blocked.by.iter().map(|blocker| blocker.code()));
    if let Some(since) = blocked.since {
        query.push(" AND b.since <= ").bind(since);
    }
    query.push(")");
}

fn push_member(query: &mut Query, column: &str, member: Option<OrganisationId>) {
    if let Some(id) = member {
        query.push(" AND ").push(column).push(" = ").bind(id.0);
        // Lets both databases use a partial index.
        query.push(" AND ").push(column).push(" <> 0");
    }
}

fn read(row: &mut Row<'_>, fields: Fields) -> Result<FacilityRow, DbErr> {
    let mut facility = FacilityRow {
        id: row.take()?,
        code: row.take()?,
        version: row.take()?,
        kind: read_kind(row)?,
        prefecture: read_prefecture(row)?,
        public_institution: row.take()?,
        opened_on: row.take()?,
        closed_on: row.take()?,
        stage: read_stage(row)?,
        last_milestone_on: row.take()?,
        names: None,
        contacts: None,
        milestones: None,
        vendor: None,
        chain: None,
        contractor: None,
        corporation: None,
        area: None,
    };
    if fields.names {
        facility.names = Some((row.take()?, row.take()?));
    }
    if fields.contacts {
        facility.contacts = Some((row.take()?, row.take()?, row.take()?, row.take()?));
    }
    if fields.milestones {
        facility.milestones = Some(PerMilestone::try_new(|_| row.take())?);
    }
    if fields.vendor {
        facility.vendor = read_name(row)?;
    }
    if fields.chain {
        facility.chain = read_name(row)?;
    }
    if fields.contractor {
        facility.contractor = read_name(row)?;
    }
    if fields.corporation {
        facility.corporation = read_name(row)?;
    }
    if fields.area {
        facility.area = read_name(row)?;
    }
    Ok(facility)
}

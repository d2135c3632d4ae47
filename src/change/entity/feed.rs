//! The change feed in the tables: a walk along settled changes and the facilities in each, which says at
//! every step what the reader may be told. The walk goes from key to key through two indexes, so what a
//! page costs follows from the steps it takes and neither from the size of a change (an import may touch
//! every facility there is) nor from the length of the history.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    auth::{Identity, OrganisationName, Scope, entity::push_scope, read_name},
    change::{Source, identity_of},
    db::{ChangeId, ConnectionTrait, Database, DbErr, FacilityId, Query, Row},
    milestone::{
        Action, Aspect,
        entity::{TIMELINE_COLUMNS, TimelineRow, read_source, read_timeline_row, timeline_joins},
    },
};

/// After every facility of a change.
const NO_MORE: i64 = i64::MAX;

/// The aspects by which a facility comes into and goes out of a scope, and how `facility_state` calls
/// them.
const LINKS: [(Aspect, &str); 6] = [
    (Aspect::Prefecture, "prefecture"),
    (Aspect::Vendor, "vendor_id"),
    (Aspect::Chain, "chain_id"),
    (Aspect::Contractor, "contractor_id"),
    (Aspect::Corporation, "corporation_id"),
    (Aspect::Area, "area_id"),
];

/// A place in the feed, which is ordered by change and then by facility: everything up to and including
/// this facility of this change was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of the change.
    pub seq: i64,
    /// The id of the facility, or of none that there is.
    pub facility: i64,
}

impl Position {
    /// After the whole of a change.
    pub fn after_change(seq: i64) -> Self {
        Self {
            seq,
            facility: NO_MORE,
        }
    }

    /// Was the whole change read?
    pub fn is_after_change(self) -> bool {
        self.facility == NO_MORE
    }
}

/// Which numbering of changes a place belongs to. A restored copy begins another: what it numbers anew is not what
/// the original did.
pub type Epoch = Arc<str>;

/// How far the feed reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Whose numbers these are.
    pub epoch: Epoch,
    /// The last settled change.
    pub last: i64,
    /// The last change that settled at or before the first instant asked for, 0 if none.
    pub first_instant: i64,
    /// The last change that settled at or before the second one, 0 if none.
    pub second_instant: i64,
}

/// A change of a facility, as far as its reader may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// The facility.
    pub facility: FacilityId,
    /// When it was recorded, by the writer's clock.
    pub recorded_at: DateTime<Utc>,
    /// When it was numbered.
    pub settled_at: DateTime<Utc>,
    /// The rest; `None` if the facility left the reader's scope in this change.
    pub details: Option<Details>,
}

/// What a reader may know of a change of a facility within its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The change.
    pub change: ChangeId,
    /// Who.
    pub identity: Identity,
    /// In whose name.
    pub organisation: Option<OrganisationName>,
    /// From where.
    pub source: Source,
    /// What was done.
    pub operation: String,
    /// Why, in the writer's words.
    pub reason: Option<String>,
}

/// The outcome of some steps along the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// What the reader may know of, in order.
    pub entries: Vec<Entry>,
    /// How many steps were taken; fewer than asked for at the end of the feed.
    pub steps: usize,
    /// Where the last one led.
    pub reached: Position,
}

/// A change and a facility in it.
pub type EventsOfEntry = HashMap<(ChangeId, FacilityId), Vec<TimelineRow>>;

/// How far the feed reaches, and where it stood at two instants.
pub async fn bounds(
    connection: &impl ConnectionTrait,
    first: DateTime<Utc>,
    second: DateTime<Utc>,
) -> Result<Bounds, DbErr> {
    let settled_by = |parameter: &str| {
        format!(
            "COALESCE((SELECT seq FROM change WHERE settled_at <= {parameter} \
             ORDER BY settled_at DESC, seq DESC LIMIT 1), 0)"
        )
    };
    let sql = format!(
        "SELECT epoch, last_seq, {}, {} FROM change_horizon WHERE id = 1",
        settled_by("$1"),
        settled_by("$2")
    );
    let row = Query::with(sql, [first.into(), second.into()])
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the change horizon".to_owned()))?;
    let mut row = Row::new(&row);
    Ok(Bounds {
        epoch: row.take::<String>()?.into(),
        last: row.take()?,
        first_instant: row.take()?,
        second_instant: row.take()?,
    })
}

/// Takes at most `steps` steps from a position towards the change numbered `last`. A step leads to the
/// next facility of a change, or over a change that touched none.
pub async fn walk(
    connection: &impl ConnectionTrait,
    scope: &Scope,
    from: Position,
    steps: usize,
    last: i64,
) -> Result<Walk, DbErr> {
    let mut query = Query::default();
    push_walk(&mut query, from, steps, last);
    query.push(
        " SELECT f.step, f.seq, f.facility_id, f.standing, c.id, c.recorded_at, c.settled_at, \
         c.identity_kind, c.identity_id, c.source, c.operation, c.reason, o.id, o.name \
         FROM (SELECT w.step, w.seq, w.change_id, w.facility_id, CASE WHEN ",
    );
    push_scope(&mut query, scope, "s");
    query.push(" THEN 1");
    if *scope != Scope::All {
        query.push(" WHEN ");
        push_left_scope(&mut query, scope);
        query.push(" THEN 2");
    }
    query.push(
        " ELSE 0 END AS standing FROM walk w LEFT JOIN facility_state s ON s.facility_id = w.facility_id \
         WHERE w.step > 0) f JOIN change c ON c.id = f.change_id \
         LEFT JOIN organisation o ON o.id = c.organisation_id \
         WHERE f.standing > 0 OR f.step = (SELECT max(step) FROM walk) ORDER BY f.step",
    );
    let mut walk = Walk {
        entries: Vec::new(),
        steps: 0,
        reached: from,
    };
    for row in query.all(connection).await? {
        let mut row = Row::new(&row);
        let step: i32 = row.take()?;
        walk.steps = usize::try_from(step).unwrap_or(0);
        walk.reached = Position {
            seq: row.take()?,
            facility: row.take()?,
        };
        let standing: i32 = row.take()?;
        if standing > 0 && !walk.reached.is_after_change() {
            walk.entries
                .push(read_entry(&mut row, walk.reached, standing == 1)?);
        }
    }
    Ok(walk)
}

fn read_entry(row: &mut Row<'_>, position: Position, visible: bool) -> Result<Entry, DbErr> {
    let change = row.take()?;
    Ok(Entry {
        position,
        facility: FacilityId(position.facility),
        recorded_at: row.take()?,
        settled_at: row.take()?,
        details: visible.then(|| read_details(row, change)).transpose()?,
    })
}

fn read_details(row: &mut Row<'_>, change: ChangeId) -> Result<Details, DbErr> {
    Ok(Details {
        change,
        identity: identity_of(row.take()?, row.take()?),
        source: read_source(row.take()?)?,
        operation: row.take()?,
        reason: row.take()?,
        organisation: read_name(row)?,
    })
}

/// The table `walk`: one row for each step. Each step costs a few look-ups in the indexes of
/// `change (seq)` and `facility_event (change_id, facility_id)`. Numbers have no gaps, and to look for the
/// very next is much cheaper than for the least that is greater, which would do alone.
fn push_walk(query: &mut Query, from: Position, steps: usize, last: i64) {
    query.push("WITH RECURSIVE walk (step, seq, change_id, facility_id) AS (SELECT 0, CAST(");
    query.bind(from.seq);
    query.push(" AS BIGINT), COALESCE((SELECT id FROM change WHERE seq = ");
    query.bind(from.seq).push("), 0), CAST(");
    query.bind(from.facility).push(
        " AS BIGINT) UNION ALL SELECT walk.step + 1, c.seq, c.id, COALESCE((SELECT min(e.facility_id) \
         FROM facility_event e WHERE e.change_id = c.id AND e.facility_id > CASE WHEN c.seq = walk.seq \
         THEN walk.facility_id ELSE 0 END), ",
    );
    query.push(&NO_MORE.to_string());
    query.push(
        ") FROM walk JOIN change c ON c.seq = CASE WHEN EXISTS (SELECT 1 FROM facility_event e \
         WHERE e.change_id = walk.change_id AND e.facility_id > walk.facility_id) THEN walk.seq \
         ELSE COALESCE((SELECT n.seq FROM change n WHERE n.seq = walk.seq + 1), \
         (SELECT min(n.seq) FROM change n WHERE n.seq > walk.seq)) END WHERE walk.step < ",
    );
    query.bind(i64::try_from(steps).unwrap_or(i64::MAX));
    query.push(" AND c.seq <= ").bind(last).push(")");
}

/// Appends the condition that the facility of step `w` was within the scope before that change and no
/// longer is after it. Only what moved one of its links can have done that.
fn push_left_scope(query: &mut Query, scope: &Scope) {
    let codes = LINKS.map(|(aspect, _)| aspect.code().to_string());
    query
        .push(
            "EXISTS (SELECT 1 FROM facility_event l WHERE l.change_id = w.change_id \
             AND l.facility_id = w.facility_id AND l.aspect IN (",
        )
        .push(&codes.join(", "))
        .push(")) AND EXISTS (SELECT 1 FROM (");
    push_links(query, "<");
    query.push(") b WHERE ");
    push_scope(query, scope, "b");
    query.push(") AND NOT EXISTS (SELECT 1 FROM (");
    push_links(query, "<=");
    query.push(") a WHERE ");
    push_scope(query, scope, "a");
    query.push(")");
}

/// Appends the links that the facility of step `w` had by the changes before (`<`), or up to (`<=`), that
/// of the step. Changes of one facility wait for each other, so their ids are in order.
fn push_links(query: &mut Query, until: &str) {
    query.push("SELECT w.facility_id AS facility_id");
    for (aspect, column) in LINKS {
        let (aspect, set) = (aspect.code(), Action::Set.code());
        query.push(&format!(
            ", COALESCE((SELECT v.value FROM facility_event v WHERE v.facility_id = w.facility_id \
             AND v.aspect = {aspect} AND v.action = {set} AND v.change_id {until} w.change_id \
             AND NOT EXISTS (SELECT 1 FROM facility_event x WHERE x.facility_id = v.facility_id \
             AND x.voids_id = v.id AND x.change_id {until} w.change_id) \
             ORDER BY v.effective_on DESC, v.id DESC LIMIT 1), 0) AS {column}"
        ));
    }
}

/// The events of facilities in changes, in the order of recording. One that voids an earlier event is
/// answered by that event, which is marked as voided. The caller has checked the scope.
pub async fn events_of(
    database: &Database,
    wanted: &[(ChangeId, FacilityId)],
) -> Result<EventsOfEntry, DbErr> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let pairs: Vec<(i64, i64)> = wanted
        .iter()
        .map(|(change, facility)| (change.0, facility.0))
        .collect();
    let mut query = Query::new(format!(
        "SELECT e.change_id, e.facility_id, {TIMELINE_COLUMNS} FROM "
    ));
    query
        .bind_id_pairs(database.backend(), &pairs)
        .push(
            " JOIN facility_event e ON e.change_id = pairs.first_id AND e.facility_id = pairs.second_id \
             JOIN facility_event t ON t.id = COALESCE(e.voids_id, e.id)",
        )
        .push(&timeline_joins())
        .push(" ORDER BY e.id");
    let mut events = EventsOfEntry::new();
    for row in query.all(database.read()).await? {
        let mut row = Row::new(&row);
        let entry = (row.take()?, row.take()?);
        let shown = read_timeline_row(&mut row)?;
        events.entry(entry).or_default().push(shown);
    }
    Ok(events)
}

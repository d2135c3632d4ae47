//! The type `ChangeEntry` and its connection. A page's entries are fetched with everything that the query
//! selects of them, a statement for each table.

use async_graphql::{ID, Lookahead, Object, SimpleObject, connection::PageInfo};
use chrono::{DateTime, Utc};

use crate::{
    api::{
        ApiResult, NodeId,
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor},
    },
    app::Services,
    auth::Actor,
    change::{
        Source,
        feed::{self, Entry, Epoch, EventsOfEntry, Place, Position, Start},
    },
    db::{ChangeId, FacilityId},
    facility::graphql::{
        ActorKind, Facility, OrganisationSummary, Selected, TimelineEntry, facilities_by_id,
        summary, timeline_entry,
    },
};

/// One facility in one change: what was recorded of it together. Where the facility left your scope, only
/// its id and the time are told, so that you can drop your copy.
#[derive(Clone, Debug, SimpleObject)]
pub struct ChangeEntry {
    /// Give it as `after` to go on behind this entry, on any server, for 90 days.
    cursor: String,
    /// When it was recorded, by the clock of the server that did. Not the order of the feed.
    recorded_at: DateTime<Utc>,
    /// When it took its place in the feed.
    settled_at: DateTime<Utc>,
    /// What was done: the name of the mutation or command. Null if the facility left your scope.
    operation: Option<String>,
    /// Where it came from. Null if the facility left your scope.
    source: Option<Source>,
    /// How whoever recorded it came to us. Null if the facility left your scope.
    actor_kind: Option<ActorKind>,
    /// In whose name it was recorded; null for the operator, where one request wrote to facilities of several
    /// organisations, or if the facility left your scope.
    organisation: Option<OrganisationSummary>,
    /// Why, in the writer's words.
    reason: Option<String>,
    /// Global id of the facility.
    facility_id: ID,
    /// By this change the facility went out of your scope, and it is not in it today.
    left_scope: bool,
    /// The facility as it stands now, not as it stood then. Null if it left your scope.
    facility: Option<Facility>,
    /// What was recorded of the facility in this change. A correction is told by the entry that it says
    /// never happened, which is `voided`. Empty if the facility left your scope.
    events: Vec<TimelineEntry>,
    #[graphql(skip)]
    pub(super) position: Position,
}

/// A change of a facility with its place in the feed.
#[derive(Clone, Debug)]
pub struct ChangeEdge {
    node: ChangeEntry,
}

/// A page of the change feed.
#[derive(Clone, Debug)]
pub struct ChangeConnection {
    edges: Vec<ChangeEdge>,
    after: bool,
    more: bool,
    end_cursor: String,
}

/// A change on a page, with its cursor.
#[Object]
impl ChangeEdge {
    /// The change of a facility.
    async fn node(&self) -> &ChangeEntry {
        &self.node
    }

    /// Give it as `after` to go on behind this entry.
    async fn cursor(&self) -> &str {
        &self.node.cursor
    }
}

/// A page of the change feed.
#[Object]
impl ChangeConnection {
    /// The changes of this page with their cursors, in the order of the feed.
    async fn edges(&self) -> &[ChangeEdge] {
        &self.edges
    }

    /// The changes of this page, in the order of the feed.
    async fn nodes(&self) -> Vec<&ChangeEntry> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where this page stands. A page may hold fewer changes than were asked for, even none, and yet
    /// `hasNextPage`: it took a bounded look at changes that are mostly out of your scope. Go on from
    /// `endCursor`, which moves on with every page and may lie beyond the last of `edges`. Without a
    /// next page, `endCursor` is the place to ask from later.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.after,
            has_next_page: self.more,
            start_cursor: self.edges.first().map(|edge| edge.node.cursor.clone()),
            end_cursor: Some(self.end_cursor.clone()),
        }
    }
}

/// What a query selects of the entries of a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    facility: Option<Selected>,
    events: bool,
}

impl Wanted {
    /// From the selection set of an entry.
    pub fn of(entry: &Lookahead<'_>) -> Self {
        let facility = entry.field("facility");
        Self {
            facility: facility.exists().then(|| Selected::of(&facility)),
            events: entry.field("events").exists(),
        }
    }

    /// What either selects.
    pub fn merge(&mut self, other: Self) {
        self.events |= other.events;
        self.facility = match (self.facility, other.facility) {
            (Some(mut mine), Some(theirs)) => {
                mine.merge(theirs);
                Some(mine)
            }
            (mine, theirs) => mine.or(theirs),
        };
    }
}

/// A page of the feed with what was wanted of its entries.
#[derive(Debug)]
pub struct LoadedPage {
    /// In order.
    pub entries: Vec<ChangeEntry>,
    /// Where the next page begins.
    pub end: Place,
    /// Was the end of the feed not reached yet?
    pub more: bool,
}

impl LoadedPage {
    /// As the API shows it; `after` says whether it began from a cursor.
    pub fn into_connection(self, after: bool) -> ChangeConnection {
        ChangeConnection {
            edges: self
                .entries
                .into_iter()
                .map(|node| ChangeEdge { node })
                .collect(),
            after,
            more: self.more,
            end_cursor: cursor_of(&self.end.epoch, self.end.position),
        }
    }
}

/// Reads a page of the feed for an actor.
pub async fn load(
    services: &Services,
    actor: &Actor,
    start: Start,
    size: usize,
    wanted: Wanted,
) -> ApiResult<LoadedPage> {
    let database = &services.database;
    let page = feed::page(database, &services.clock, actor, start, size).await?;
    let within: Vec<(ChangeId, FacilityId)> = page.entries.iter().filter_map(key).collect();
    let mut events = if wanted.events {
        feed::events_of(database, &within).await?
    } else {
        EventsOfEntry::new()
    };
    let facilities = match wanted.facility {
        Some(selected) => {
            let mut ids: Vec<FacilityId> = within.iter().map(|(_, facility)| *facility).collect();
            ids.sort_unstable();
            ids.dedup();
            facilities_by_id(services, actor, &ids, selected).await?
        }
        None => std::collections::HashMap::new(),
    };
    let entries = page
        .entries
        .into_iter()
        .map(|entry| {
            let events = key(&entry).and_then(|key| events.remove(&key));
            let facility = entry
                .details
                .as_ref()
                .and_then(|_| facilities.get(&entry.facility).cloned());
            show(&page.epoch, entry, facility, events.unwrap_or_default())
        })
        .collect();
    Ok(LoadedPage {
        entries,
        end: Place {
            epoch: page.epoch,
            position: page.end,
        },
        more: page.more,
    })
}

fn key(entry: &Entry) -> Option<(ChangeId, FacilityId)> {
    let details = entry.details.as_ref()?;
    Some((details.change, entry.facility))
}

fn show(
    epoch: &Epoch,
    entry: Entry,
    facility: Option<Facility>,
    events: Vec<crate::milestone::entity::TimelineRow>,
) -> ChangeEntry {
    let details = entry.details;
    ChangeEntry {
        cursor: cursor_of(epoch, entry.position),
        recorded_at: entry.recorded_at,
        settled_at: entry.settled_at,
        source: details.as_ref().map(|details| details.source),
        actor_kind: details
            .as_ref()
            .map(|details| ActorKind::from(&details.identity)),
        organisation: details
            .as_ref()
            .and_then(|details| details.organisation.as_ref().map(summary)),
        left_scope: details.is_none(),
        reason: details.as_ref().and_then(|details| details.reason.clone()),
        operation: details.map(|details| details.operation),
        facility_id: NodeId::new(NodeKind::Facility, entry.facility.0).encode(),
        facility,
        events: events.iter().map(timeline_entry).collect(),
        position: entry.position,
    }
}

/// The list whose cursors these are. It has no filter: a cursor is a place in the one order of changes,
/// whoever reads it.
pub fn fingerprint() -> Fingerprint {
    Fingerprint::of(&"changes")
}

/// A place as a cursor.
pub fn cursor_of(epoch: &Epoch, position: Position) -> String {
    let (seq, facility) = (position.seq.to_string(), position.facility.to_string());
    fingerprint().cursor(&[epoch, seq.as_str(), facility.as_str()])
}

/// The place that the parts of a cursor name.
pub fn read_cursor(parts: &[String]) -> ApiResult<Place> {
    let number = |text: &String| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let [epoch, seq, facility] = parts else {
        return Err(bad_cursor());
    };
    let (seq, facility) = number(seq).zip(number(facility)).ok_or_else(bad_cursor)?;
    Ok(Place {
        epoch: epoch.as_str().into(),
        position: Position { seq, facility },
    })
}

//! The change feed: every change of every facility within the reader's scope, in one order that never
//! changes. An entry is one facility in one change; entries are ordered by the change's number, which is
//! given after the commit, and by facility within it, so that nothing ever slips in behind a reader.
//!
//! What counts is the scope of today: of a facility within it every change is told, whoever made it, and
//! of one outside it nothing, except that it went: the change by which it left the reader's scope is told
//! as the bare id, so that the reader can drop its copy.
//!
//! A page takes a bounded number of steps along the feed. Where most of what happened is none of the
//! reader's business a page may hold less than was asked for, or nothing, and yet not be the last: it ends
//! at the place up to which it looked.

use chrono::{DateTime, TimeDelta, Utc};

use super::entity::{self, Bounds};
pub use super::entity::{Details, Entry, Epoch, EventsOfEntry, Position, events_of};
use crate::{
    app::Clock,
    auth::{Actor, Permission, Scope},
    db::{Database, DbErr},
};

/// A reader who was away for this long can go on where it stopped. Changes are history and are kept for
/// ever, but the feed promises no more than this.
pub const RESUMABLE_DAYS: i64 = 90;
/// So that one who begins at the oldest change is not overtaken while reading it.
const GRACE: TimeDelta = TimeDelta::hours(1);
/// Steps at first, for each entry wanted: enough where most of what happened is the reader's.
const STEPS_FOR_EACH: usize = 2;
/// Steps at a time where that was not enough.
const STRIDE: usize = 1_000;
/// Most steps for a page.
const MOST_STEPS: usize = 4_000;
/// A page never ends at a facility that its reader can't see but at a multiple of this before it, so
/// that a cursor tells nothing. Less than [`MOST_STEPS`], or a page might end where it began.
const BLUR: i64 = 1_000;

/// Why a feed can't be read from a place.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// What follows is older than the feed promises.
    #[error("the changes after this cursor are too old")]
    CursorExpired,
    /// It is of another epoch, or lies beyond the last change: the database was restored to an earlier state.
    #[error("the cursor is not of this feed")]
    CursorUnknown,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// A position, and in which epoch: all that a reader has to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The epoch.
    pub epoch: Epoch,
    /// The position.
    pub position: Position,
}

/// Where a reader begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest change that the feed still holds.
    Oldest,
    /// After everything that is settled by now.
    Now,
    /// After a place.
    After(Place),
}

/// A page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// In order.
    pub entries: Vec<Entry>,
    /// In which epoch.
    pub epoch: Epoch,
    /// Where the next page begins; it may lie beyond the last entry.
    pub end: Position,
    /// Was the end of the feed not reached yet?
    pub more: bool,
}

/// The place at which a reader begins, if the feed still reaches back to it.
pub async fn begin(database: &Database, clock: &Clock, start: Start) -> Result<Place, FeedError> {
    let bounds = bounds(database, clock.now()).await?;
    Ok(Place {
        position: position(&bounds, &start)?,
        epoch: bounds.epoch,
    })
}

/// The page of the feed that follows a place: at most `size` entries that the actor may know of.
pub async fn page(
    database: &Database,
    clock: &Clock,
    actor: &Actor,
    start: Start,
    size: usize,
) -> Result<FeedPage, FeedError> {
    let scope = actor.scope(Permission::FacilityRead);
    let bounds = bounds(database, clock.now()).await?;
    let mut reached = position(&bounds, &start)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut left = if scope.is_empty() { 0 } else { MOST_STEPS };
    let mut stride = size.saturating_mul(STEPS_FOR_EACH);
    let mut ended = scope.is_empty();
    while !ended && entries.len() < size && left > 0 {
        stride = stride.clamp(1, left);
        let walk = entity::walk(database.read(), &scope, reached, stride, bounds.last).await?;
        entries.extend(walk.entries);
        reached = walk.reached;
        ended = walk.steps < stride;
        left -= stride;
        stride = STRIDE;
    }
    let more = !ended || entries.len() > size;
    entries.truncate(size);
    let end = match entries.last() {
        _ if !more => Position::after_change(bounds.last),
        Some(last) if entries.len() == size => last.position,
        last => blurred(reached).max(last.map_or(Position::after_change(0), |last| last.position)),
    };
    Ok(FeedPage {
        entries,
        epoch: bounds.epoch,
        end,
        more,
    })
}

/// The page that follows a place of all that ever happened, however old: for the operator, who keeps no cursor.
pub async fn whole(database: &Database, after: Position, size: usize) -> Result<FeedPage, DbErr> {
    let oldest = DateTime::UNIX_EPOCH;
    let bounds = entity::bounds(database.read(), oldest, oldest).await?;
    let walk = entity::walk(database.read(), &Scope::All, after, size, bounds.last).await?;
    Ok(FeedPage {
        entries: walk.entries,
        epoch: bounds.epoch,
        end: walk.reached,
        more: walk.steps == size,
    })
}

async fn bounds(database: &Database, now: DateTime<Utc>) -> Result<Bounds, DbErr> {
    let oldest = now - TimeDelta::days(RESUMABLE_DAYS);
    entity::bounds(database.read(), oldest, oldest - GRACE).await
}

fn position(bounds: &Bounds, start: &Start) -> Result<Position, FeedError> {
    let Place { epoch, position } = match start {
        Start::Oldest => return Ok(Position::after_change(bounds.first_instant)),
        Start::Now => return Ok(Position::after_change(bounds.last)),
        Start::After(place) => place,
    };
    if *epoch != bounds.epoch || position.seq > bounds.last {
        return Err(FeedError::CursorUnknown);
    }
    if position.seq < bounds.second_instant {
        return Err(FeedError::CursorExpired);
    }
    Ok(*position)
}

fn blurred(position: Position) -> Position {
    if position.is_after_change() {
        return position;
    }
    Position {
        facility: position.facility - position.facility % BLUR,
        ..position
    }
}

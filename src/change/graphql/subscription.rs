//! Following the change feed. A subscriber holds one page at most: the next is read when the last entry
//! of this one was taken, so a slow reader costs us nothing but the place where it stands. Between pages
//! it waits for a wake-up, or a second, and before each it is asked again who the reader is by now.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_graphql::{Context, Subscription};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::types::{ChangeEntry, Wanted, fingerprint, load, read_cursor};
use crate::{
    api::{
        ApiError, ApiResult,
        context::{actor_refresh, services},
        page::bad_cursor,
    },
    app::Services,
    auth::{ActorRefresh, Permission},
    change::feed::{self, Place, Start},
    db::DbErr,
};

/// Entries read at a time.
const PAGE: usize = 50;
/// Changes that nobody told this process of are looked for this often.
const POLL: Duration = Duration::from_secs(1);
/// A page that waited for its reader longer than this is read again: rights may have changed.
const FRESH: TimeDelta = TimeDelta::seconds(1);

/// Subscriptions to what changes.
#[derive(Default)]
pub struct ChangeSubscription;

#[Subscription]
impl ChangeSubscription {
    /// Every change of every facility in your scope as it settles, in the order of the query `changes` and
    /// with the same cursors: subscribe again, on any server, with the cursor of the last entry that you
    /// have. Ends when you may no longer read facilities.
    async fn changes(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "The cursor after which to begin, at most 90 days old (CURSOR_EXPIRED beyond that). Not given: \
                    now."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = ApiResult<ChangeEntry>> + use<>, ApiError> {
        let services = services(context)?.clone();
        let start = match after {
            None => Start::Now,
            Some(cursor) => {
                let parts = fingerprint().parts(&cursor).ok_or_else(bad_cursor)?;
                Start::After(read_cursor(&parts)?)
            }
        };
        let place = feed::begin(&services.database, &services.clock, start).await?;
        let subscriber = Subscriber {
            settled: services.settled.subscribe(),
            services,
            refresh: actor_refresh(context)?,
            wanted: Wanted::of(&context.look_ahead()),
            place,
            page: None,
        };
        Ok(stream::try_unfold(subscriber, Subscriber::next))
    }
}

/// A page that was read, and not yet taken to its end.
struct Waiting {
    entries: VecDeque<ChangeEntry>,
    end: Place,
    more: bool,
    read_at: DateTime<Utc>,
}

/// Where a subscriber stands.
struct Subscriber {
    services: Services,
    settled: watch::Receiver<i64>,
    refresh: Arc<dyn ActorRefresh>,
    wanted: Wanted,
    place: Place,
    page: Option<Waiting>,
}

impl Subscriber {
    /// The next entry, as soon as there is one; `None` when the reader may no longer be here.
    async fn next(mut self) -> ApiResult<Option<(ChangeEntry, Self)>> {
        loop {
            if let Some(entry) = self.take() {
                return Ok(Some((entry, self)));
            }
            // Seen before reading, so that what settles while we read wakes us again.
            self.settled.borrow_and_update();
            let Some(page) = self.read().await? else {
                return Ok(None);
            };
            if !page.entries.is_empty() {
                self.page = Some(page);
                continue;
            }
            self.place = page.end;
            if !page.more {
                self.wake().await;
            }
        }
    }

    /// Takes an entry of the page at hand, unless that has waited too long.
    fn take(&mut self) -> Option<ChangeEntry> {
        let now = self.services.clock.now();
        self.page.take_if(|page| now - page.read_at > FRESH);
        let page = self.page.as_mut()?;
        let entry = page.entries.pop_front()?;
        self.place.position = entry.position;
        if page.entries.is_empty() {
            self.place = page.end.clone();
            self.page = None;
        }
        Some(entry)
    }

    /// Reads the next page, in a task of its own: a reader that stops in the middle must not keep a
    /// connection to the database waiting for it.
    async fn read(&self) -> ApiResult<Option<Waiting>> {
        let reading = read(
            self.services.clone(),
            Arc::clone(&self.refresh),
            self.place.clone(),
            self.wanted,
        );
        tokio::spawn(reading)
            .await
            .map_err(|broken| DbErr::Custom(format!("reading the feed: {broken}")))?
    }

    /// Waits until something settled, or might have.
    async fn wake(&mut self) {
        if let Ok(Err(_gone)) = tokio::time::timeout(POLL, self.settled.changed()).await {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The page after a place for whoever the reader is by now; `None` if it may not read any more.
async fn read(
    services: Services,
    refresh: Arc<dyn ActorRefresh>,
    place: Place,
    wanted: Wanted,
) -> ApiResult<Option<Waiting>> {
    let Some(actor) = refresh.refresh().await? else {
        return Ok(None);
    };
    if !actor.may(Permission::FacilityRead) {
        return Ok(None);
    }
    let page = load(&services, &actor, Start::After(place), PAGE, wanted).await?;
    Ok(Some(Waiting {
        entries: page.entries.into(),
        end: page.end,
        more: page.more,
        read_at: services.clock.now(),
    }))
}

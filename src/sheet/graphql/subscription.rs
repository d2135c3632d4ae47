//! Following a sheet: told whenever it has come further, until nothing is under way with it any more.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, stream};

use super::types::{Sheet, SheetCounts};
use crate::{
    api::{
        ApiError, ApiResult, NodeId,
        context::{actor_refresh, services},
        node_id::NodeKind,
    },
    app::Services,
    auth::ActorRefresh,
    db::DbErr,
    sheet::{SheetStatus, entity},
};

/// How often the sheet is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Subscriptions to sheets.
#[derive(Default)]
pub struct SheetSubscription;

#[Subscription]
impl SheetSubscription {
    /// A sheet as it stands, and again whenever it has come further. Ends when nothing is under way with it, or when you
    /// can't see it any more.
    async fn sheet_progress(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the sheet.")] sheet_id: ID,
    ) -> Result<impl Stream<Item = ApiResult<Sheet>> + use<>, ApiError> {
        let follower = Follower {
            services: services(context)?.clone(),
            refresh: actor_refresh(context)?,
            sheet: NodeId::row_of(&sheet_id, NodeKind::Sheet).unwrap_or(0),
            told: None,
        };
        Ok(stream::try_unfold(follower, Follower::next))
    }
}

/// Status, rows done, and of how many.
type Progress = (SheetStatus, i32, i32);

/// Where a follower stands.
struct Follower {
    services: Services,
    refresh: Arc<dyn ActorRefresh>,
    sheet: i64,
    told: Option<Progress>,
}

impl Follower {
    async fn next(mut self) -> ApiResult<Option<(Sheet, Self)>> {
        loop {
            if self.told.is_some_and(|(status, ..)| !status.is_under_way()) {
                return Ok(None);
            }
            match self.read().await? {
                News::Gone => return Ok(None),
                News::None => tokio::time::sleep(LOOK).await,
                News::Of(sheet) => {
                    self.told = Some(sheet.progress());
                    return Ok(Some((*sheet, self)));
                }
            }
        }
    }

    /// Reads the sheet for whoever the follower is by now, in a task of its own: a follower that stops in the middle must
    /// not keep a connection to the database waiting for it.
    async fn read(&self) -> ApiResult<News> {
        let (services, refresh) = (self.services.clone(), Arc::clone(&self.refresh));
        let reading = read(services, refresh, self.sheet, self.told);
        tokio::spawn(reading)
            .await
            .map_err(|broken| DbErr::Custom(format!("following a sheet: {broken}")))?
    }
}

/// What a follower finds.
enum News {
    /// It can't be seen, or not any more.
    Gone,
    /// It has not come further.
    None,
    /// It has.
    Of(Box<Sheet>),
}

async fn read(
    services: Services,
    refresh: Arc<dyn ActorRefresh>,
    sheet: i64,
    told: Option<Progress>,
) -> ApiResult<News> {
    let Some(actor) = refresh.refresh().await? else {
        return Ok(News::Gone);
    };
    let database = &services.database;
    let found = entity::find(database, database.read(), &actor, &[sheet]).await?;
    let Some(found) = found.into_iter().next() else {
        return Ok(News::Gone);
    };
    if told == Some((found.status, found.done_count, found.todo_count)) {
        return Ok(News::None);
    }
    let counts = entity::counts(database, database.read(), &[sheet]).await?;
    let counts = SheetCounts::of(&found, counts.get(&sheet));
    Ok(News::Of(Box::new(Sheet::of(found, counts, actor.language))))
}

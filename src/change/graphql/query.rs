//! Reading the change feed page by page.

use async_graphql::{Context, Object};

use super::types::{ChangeConnection, Wanted, cursor_of, fingerprint, load, read_cursor};
use crate::{
    api::{
        ApiResult, PageArguments,
        context::{caller, services},
    },
    change::feed::{self, Start},
};

/// Queries over what changed.
#[derive(Default)]
pub struct ChangeQuery;

#[Object]
impl ChangeQuery {
    /// Every change of every facility in your scope, in one order that never changes: no change ever slips
    /// in before a cursor that you were given. The scope is that of today; a facility that left it shows
    /// as its id in the change by which it went, if you could see it before. To follow along: take
    /// `changeHead`, load what you need, then ask for what comes after it, again and again from
    /// `pageInfo.endCursor`. A change may be told that you saw already while loading.
    #[graphql(complexity = "1")]
    async fn changes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at most; 1 to 100, required.")] first: Option<i32>,
        #[graphql(
            desc = "The cursor after which to begin, at most 90 days old (CURSOR_EXPIRED beyond that). Not given: \
                    the oldest change of the last 90 days."
        )]
        after: Option<String>,
    ) -> ApiResult<ChangeConnection> {
        let from_cursor = after.is_some();
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint())?;
        let start = match page.from.as_deref().map(read_cursor).transpose()? {
            Some(place) => Start::After(place),
            None => Start::Oldest,
        };
        let ahead = context.look_ahead();
        let mut wanted = Wanted::of(&ahead.field("nodes"));
        wanted.merge(Wanted::of(&ahead.field("edges").field("node")));
        let actor = &caller(context)?.actor;
        let page = load(services(context)?, actor, start, page.size, wanted).await?;
        Ok(page.into_connection(from_cursor))
    }

    /// The cursor of this moment: what is recorded from now on comes after it in `changes`, and perhaps
    /// some of what was recorded within the last moments.
    async fn change_head(&self, context: &Context<'_>) -> ApiResult<String> {
        let services = services(context)?;
        let head = feed::begin(&services.database, &services.clock, Start::Now).await?;
        Ok(cursor_of(&head.epoch, head.position))
    }
}

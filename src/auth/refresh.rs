//! Who is asking, asked again: a subscription may live for hours, and what its caller may do changes
//! meanwhile.

use futures_util::future::BoxFuture;

use super::Actor;
use crate::db::DbErr;

/// Says who the caller of a long-lived request is by now: the same identity with its present grants.
/// Whoever hands out something later asks before each time that it reads.
pub trait ActorRefresh: Send + Sync {
    /// The actor as of now; `None` once the caller may no longer be here: logged out, suspended, or a
    /// token that was revoked or has expired.
    fn refresh(&self) -> BoxFuture<'_, Result<Option<Actor>, DbErr>>;
}

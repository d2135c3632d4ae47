//! Who made a change, and where it came from, as its row has them.

use crate::{auth::Identity, db::UserId};

/// Where a change came from. Codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "ChangeSource")]
pub enum Source {
    /// A request to the API.
    Api,
    /// The operator's command line.
    CommandLine,
    /// An imported file.
    Import,
    /// The demo's data.
    Demo,
    /// A background job.
    System,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 5] = [
        Self::Api,
        Self::CommandLine,
        Self::Import,
        Self::Demo,
        Self::System,
    ];

    /// The stored code.
    pub fn code(self) -> i16 {
        match self {
            Self::Api => 0,
            Self::CommandLine => 1,
            Self::Import => 2,
            Self::Demo => 3,
            Self::System => 4,
        }
    }

    /// The source of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.code() == code)
    }
}

/// The stored code and id of an identity.
pub fn identity_columns(identity: &Identity) -> (i16, Option<i64>) {
    match identity {
        Identity::Anonymous => (0, None),
        Identity::User(user) => (1, Some(user.0)),
        Identity::ServiceToken(token) => (2, Some(*token)),
        Identity::System => (3, None),
    }
}

/// The identity of a stored code and id.
pub fn identity_of(kind: i16, id: Option<i64>) -> Identity {
    match (kind, id) {
        (1, Some(user)) => Identity::User(UserId(user)),
        (2, Some(token)) => Identity::ServiceToken(token),
        (3, _) => Identity::System,
        _ => Identity::Anonymous,
    }
}

//! Typed ids: one newtype for each table whose rows others point at, so that a vendor's id can't be
//! passed where a facility's is wanted.

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id_type!(
    /// A row of `facility`.
    FacilityId
);
id_type!(
    /// A row of `organisation`: a vendor, a chain, the ministry …
    OrganisationId
);
id_type!(
    /// A row of `user_account`.
    UserId
);
id_type!(
    /// A row of `change`: one for each write transaction. Ids are not in commit order; `seq` is.
    ChangeId
);
id_type!(
    /// A row of `facility_event`.
    EventId
);
id_type!(
    /// A row of `session`: one login and the tokens that came from it.
    SessionId
);

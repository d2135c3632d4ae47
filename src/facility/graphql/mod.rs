//! Facilities in the API: the type, the queries over the registry and the mutations that amend it.

mod mutation;
mod names;
mod query;
mod timeline;
mod types;

pub use mutation::{FacilityMutation, named_facilities};
pub use names::PrefectureName;
pub use query::{
    FacilityConnection, FacilityQuery, FacilityReference, ListTotal, fold_search, organisation_id,
    resolve, within_bureaus,
};
pub use timeline::{ActorKind, TimelineEntry, timeline_entry};
pub use types::{
    BulkRow, Facility, FacilityPayload, OrganisationSummary, Selected, event_ids, facilities_by_id,
    facility, facility_payload, named_event, summary, user_errors,
};

//! Facilities in the API: the type, the queries over the registry and the mutations that amend it.

mod bulk;
mod mutation;
mod names;
mod payload;
mod query;
mod timeline;
mod types;

pub use bulk::FacilityBulkMutation;
pub use mutation::{FacilityMutation, named_facilities};
pub use names::PrefectureName;
pub use payload::{
    FacilityBulkPayload, FacilityPayload, bulk_payload, change_id, check_row_count,
    facility_payload, named_event, refused_bulk, renamed, user_error, user_errors,
};
pub use query::{
    FacilityConnection, FacilityFilter, FacilityOrder, FacilityQuery, FacilityReference, ListTotal,
    export_query, facility_page, fold_search, organisation_id, organisation_of, resolve,
    within_bureaus,
};
pub use timeline::{ActorKind, TimelineEntry, timeline_entry};
pub use types::{
    Facility, OrganisationSummary, Selected, facilities_by_id, facilities_of_nodes, facility,
    summary,
};

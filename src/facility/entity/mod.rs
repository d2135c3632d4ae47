//! The tables `facility`, `facility_code` and `facility_reference`, and finders over the registry. Every
//! finder starts from a scope.

mod list;
mod registry;

pub use list::{
    BlockedFilter, Condition, Cursor, FacilityRow, Fields, ListQuery, Order, PlannedFilter,
    count_up_to, find, find_all, list,
};
pub use registry::{
    Contacts, FACILITY, FACILITY_CODE, FoundCode, add_code, all_by_references, code_is_taken,
    code_values, contacts_of, facility_values, find_by_codes, find_by_references, first_of_each,
    insert, organisation_is, past_codes, references_of, replace_code, set_reference,
    update_contacts, write_search,
};

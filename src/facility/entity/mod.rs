//! The tables `facility`, `facility_code` and `facility_reference`, and finders over the registry. Every
//! finder starts from a scope.

mod list;
mod registry;

pub use list::{
    BlockedFilter, Condition, Cursor, FacilityRow, Fields, ListQuery, Order, PlannedFilter,
    count_up_to, find, find_all, list,
};
pub use registry::{
    Contacts, FACILITY, FACILITY_CODE, FoundCode, Naming, add_code, all_by_references, code_values,
    contacts_of, facility_values, find_by_codes, find_by_references, first_of_each, insert,
    namings, past_codes, references_of, replace_code, set_references, taken_codes, update_contacts,
};

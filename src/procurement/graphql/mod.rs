//! Applications, orders and stock in the API.

mod explained;
mod mutation;
mod order_mutations;
mod orders;
mod query;
mod types;

pub use mutation::ProcurementMutation;
pub use order_mutations::HardwareOrderMutation;
pub use orders::{
    HardwareLot, HardwareLotConnection, HardwareOrder, HardwareOrderConnection, HardwareOrderQuery,
    lots_by_id, orders_by_id,
};
pub use query::{ApplicationConnection, ProcurementQuery};
pub use types::{Application, applications_by_id};

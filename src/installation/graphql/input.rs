//! What mutations of work orders take.

use async_graphql::{Enum, InputObject};

use crate::{
    api::{Date, WriteOptions},
    facility::{FacilityKind, graphql::FacilityReference},
    installation::VisitWindow,
    milestone::service::ErrorPolicy,
};

/// How work on a site ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum InstallationResult {
    /// Everything is installed and connected: INSTALLED is recorded.
    #[default]
    Done,
    /// Somebody was there, and it could not be finished: open another order when it can.
    Failed,
}

/// A work order to be opened.
#[derive(Debug, InputObject)]
pub struct InstallationOpenInput {
    /// Whose; it must have no open order, and not be installed.
    pub(super) facility: FacilityReference,
    /// The planned day, which becomes the facility's plan of INSTALLED; without it a plan that is there stays.
    pub(super) planned_on: Option<Date>,
    /// At which time of that day.
    pub(super) window: Option<VisitWindow>,
    /// What your organisation calls it.
    pub(super) reference: Option<String>,
    /// A remark kept with the record.
    pub(super) note: Option<String>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// Another day for an open order.
#[derive(Debug, InputObject)]
pub struct InstallationPlanInput {
    /// Whose open order.
    pub(super) facility: FacilityReference,
    /// The planned day; null drops the plan. Every earlier promise is kept.
    pub(super) planned_on: Option<Date>,
    /// At which time of that day.
    pub(super) window: Option<VisitWindow>,
    /// Why another day: kept with the promise.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// The beginning of the work.
#[derive(Debug, InputObject)]
pub struct InstallationStartInput {
    /// Whose open order.
    pub(super) facility: FacilityReference,
    /// The civil day (JST) on which it began; not in the future. Told again, the later word counts.
    pub(super) on: Date,
    /// A remark kept with the record.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// An item of the checklist.
#[derive(Debug, InputObject)]
pub struct InstallationTick {
    /// The word of the item, such as LINE_TESTED.
    pub(super) item: String,
    /// The civil day (JST) on which it was done; null if it is not done after all.
    pub(super) done_on: Option<Date>,
}

/// Items of the checklist to be ticked off.
#[derive(Debug, InputObject)]
pub struct InstallationCheckInput {
    /// Whose open order.
    pub(super) facility: FacilityReference,
    /// Which items.
    pub(super) items: Vec<InstallationTick>,
    /// A remark kept with the record.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// The end of the work.
#[derive(Debug, InputObject)]
pub struct InstallationFinishInput {
    /// Whose open order.
    pub(super) facility: FacilityReference,
    /// The civil day (JST) on which it ended; not in the future.
    pub(super) on: Date,
    /// How it ended.
    #[graphql(default)]
    pub(super) result: InstallationResult,
    /// Minutes of work on the site, whoever was there.
    pub(super) minutes: Option<i32>,
    /// How many people were there.
    pub(super) crew: Option<i32>,
    /// Tick off, on that day, what must be done and is not ticked off yet; otherwise that refuses DONE.
    #[graphql(default)]
    pub(super) with_checks: bool,
    /// A remark kept with the order.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// An order that won't be done.
#[derive(Debug, InputObject)]
pub struct InstallationCancelInput {
    /// Whose open order; its plan is dropped.
    pub(super) facility: FacilityReference,
    /// The civil day (JST) on which that was said; not in the future.
    pub(super) on: Date,
    /// Why: kept with the order.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// An order that had not ended after all.
#[derive(Debug, InputObject)]
pub struct InstallationReopenInput {
    /// Whose last order. INSTALLED, if the order recorded it, is voided as a mistake.
    pub(super) facility: FacilityReference,
    /// A remark kept with the record.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// What your organisation calls an order.
#[derive(Debug, InputObject)]
pub struct InstallationReferenceSetInput {
    /// Whose last order.
    pub(super) facility: FacilityReference,
    /// The reference, 1 to 100 characters, yours alone; null removes it.
    pub(super) reference: Option<String>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

/// What a row of a bulk write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum InstallationAction {
    /// Opens an order, planned for `on` if that is given, called `reference`.
    Open,
    /// Plans the open order for `on`; without it, the plan is dropped.
    Plan,
    /// The work began `on` a day.
    Start,
    /// The `items` were done `on` a day; without it, they are not done after all.
    Check,
    /// It ended well `on` a day: INSTALLED is recorded.
    Finish,
    /// It ended `on` a day, and could not be finished.
    Fail,
    /// It won't be done; said `on` a day.
    Cancel,
    /// The last order had not ended after all.
    Reopen,
    /// The last order is called `reference`; without it, nothing any more.
    SetReference,
}

/// One row of a bulk write. Several rows for one facility are taken in their order.
#[derive(Debug, InputObject)]
pub struct InstallationRowInput {
    /// Whose order.
    pub(super) facility: FacilityReference,
    /// What to do.
    pub(super) action: InstallationAction,
    /// The civil day (JST).
    pub(super) on: Option<Date>,
    /// OPEN, PLAN: at which time of the day.
    pub(super) window: Option<VisitWindow>,
    /// CHECK: the words of the items.
    #[graphql(default)]
    pub(super) items: Vec<String>,
    /// FINISH, FAIL: minutes of work on the site.
    pub(super) minutes: Option<i32>,
    /// FINISH, FAIL: how many people were there.
    pub(super) crew: Option<i32>,
    /// FINISH: tick off what must be done and is not ticked off yet.
    #[graphql(default)]
    pub(super) with_checks: bool,
    /// OPEN, SET_REFERENCE: what your organisation calls it.
    pub(super) reference: Option<String>,
    /// A remark.
    pub(super) note: Option<String>,
    /// The version of the order that you read: refused if somebody changed it since.
    pub(super) expected_version: Option<i32>,
}

/// Up to 5,000 steps of work orders in one request.
#[derive(Debug, InputObject)]
pub struct InstallationBulkRecordInput {
    /// The rows, answered in this order.
    pub(super) rows: Vec<InstallationRowInput>,
    /// What becomes of the request if some rows fail.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    pub(super) error_policy: ErrorPolicy,
    // Written out: to flatten them copies the rows.
    /// Under which a repeated request has one effect.
    pub(super) idempotency_key: Option<String>,
    /// Check everything and answer the same, but change nothing.
    #[graphql(default)]
    pub(super) dry_run: bool,
    /// Why, kept with the change.
    pub(super) reason: Option<String>,
}

/// A thing to be done at a site.
#[derive(Debug, InputObject, serde::Serialize)]
pub struct ChecklistEntryInput {
    /// The word by which it is ticked off: capital letters, digits and underscores.
    pub(super) code: String,
    /// What it is, in Japanese.
    pub(super) label_ja: String,
    /// What it is, in English.
    pub(super) label_en: String,
    /// Nothing is finished without it.
    #[graphql(default = true)]
    pub(super) required: bool,
}

/// A new version of a checklist.
#[derive(Debug, InputObject)]
pub struct InstallationChecklistPublishInput {
    /// Of which kind of facility.
    pub(super) kind: FacilityKind,
    /// What has to be done, in the order of the work; at most 50.
    pub(super) items: Vec<ChecklistEntryInput>,
    /// The newest version that you read: refused if another was published since.
    pub(super) expected_version: Option<i32>,
    #[graphql(flatten)]
    pub(super) options: WriteOptions,
}

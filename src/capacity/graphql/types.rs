//! What the API says of capacity, and what it is told.

use async_graphql::{ComplexObject, ID, InputObject, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};

use crate::{
    api::{Date, UserError, WriteOptions, YearMonth},
    capacity::{FollowUpStatus, MonthOfWork, Pledge, Workload, workload::hours_in_tenths},
    change::Known,
    db::OrganisationId,
    facility::{
        Prefecture,
        graphql::{OrganisationSummary, PrefectureName},
    },
    figures::service::Question,
    milestone::Blocker,
};

/// A whole number of tenths.
pub fn tenths(tenths: Option<i64>) -> Option<f64> {
    let tenths = i32::try_from(tenths?).ok()?;
    Some(f64::from(tenths) / 10.0)
}

/// The work of one month.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct WorkMonth {
    /// The month.
    pub month: YearMonth,
    /// Whether it is over and counted to its end.
    pub is_whole: bool,
    /// Facilities that were installed (INSTALLED, or READY where that was never told), less those of which that was taken
    /// back; they count for the vendor and chain of the day.
    pub installed_count: i64,
    /// How many were pledged by vendors; null where pledges can't be told apart so (by kind or chain), or are not for you
    /// to know.
    pub pledged_count: Option<i64>,
    /// Open facilities that have applied and wait to be installed at the end of the month, or on the day asked for.
    pub waiting_count: i64,
    /// Hours on the site for an installation, on average of those of which it was told; null if of none.
    pub hours_per_install: Option<f64>,
    /// How many these are.
    pub timed_count: i64,
}

impl From<&MonthOfWork> for WorkMonth {
    fn from(month: &MonthOfWork) -> Self {
        Self {
            month: YearMonth(month.month),
            is_whole: month.is_whole,
            installed_count: month.work.installed,
            pledged_count: month.pledged,
            waiting_count: month.work.waiting,
            hours_per_install: tenths(hours_in_tenths(month.work)),
            timed_count: month.work.timed,
        }
    }
}

/// How much work is done, how much waits, and how long that will take (導入実績と対応能力).
#[derive(Clone, Debug, SimpleObject)]
pub struct WorkFigures {
    /// What was true on this civil day (JST) …
    pub as_of: Date,
    /// … as it was known at this instant; null: as it is known now.
    pub known_at: Option<DateTime<Utc>>,
    /// Open facilities that have applied and wait to be installed: the backlog.
    pub waiting_count: i64,
    /// Installations a month, over the last three whole months.
    pub installs_per_month: Option<f64>,
    /// How many months the backlog takes at that pace; null while nothing is installed.
    pub months_to_clear: Option<f64>,
    /// How much of what had been pledged by the time each month began was installed in it, in per cent, over the whole
    /// months told of: more in one month makes up for nothing in another. Of several vendors or prefectures together. Null if nothing was pledged, or that is not for you to know.
    pub pledge_kept_percent: Option<f64>,
    /// By how many per cent the hours for an installation fall each time that twice as many have been done, over the
    /// months told of; negative if they rise, null with fewer than three months of which hours were told.
    pub learning_rate_percent: Option<f64>,
    /// Month by month, the one of the day last.
    pub months: Vec<WorkMonth>,
}

impl WorkFigures {
    /// From what was read, of which the last months are told.
    pub fn new(question: &Question, workload: &Workload, told: usize) -> Self {
        let known_at = match question.known {
            Known::Now => None,
            Known::UpTo { at, .. } => Some(at),
        };
        let earlier = workload.months.len().saturating_sub(told);
        let months = workload.months.get(earlier..).unwrap_or_default();
        let only_told = Workload {
            months: months.to_vec(),
        };
        Self {
            as_of: Date(question.as_of),
            known_at,
            waiting_count: workload.waiting(),
            installs_per_month: tenths(workload.pace_in_tenths()),
            months_to_clear: tenths(workload.months_to_clear_in_tenths()),
            pledge_kept_percent: tenths(only_told.kept_in_tenths()),
            learning_rate_percent: only_told.learning_rate_percent(),
            months: months.iter().map(Into::into).collect(),
        }
    }
}

/// How many installations a vendor pledges.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct CapacityPledge {
    /// In which month.
    pub month: YearMonth,
    /// Where.
    pub prefecture: PrefectureName,
    /// How many.
    pub installs: i32,
}

impl From<&Pledge> for CapacityPledge {
    fn from(pledge: &Pledge) -> Self {
        Self {
            month: YearMonth(pledge.month),
            prefecture: pledge.prefecture().into(),
            installs: pledge.installs,
        }
    }
}

/// How many facilities wait for something.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct BlockerCount {
    /// For what.
    pub blocker: Blocker,
    /// How many.
    pub facility_count: i64,
}

/// The follow-up of a vendor's month (月次フォローアップ): what the records say, and what the vendor says to it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct FollowUp {
    #[graphql(skip)]
    pub vendor: OrganisationId,
    #[graphql(skip)]
    pub pledges: Vec<CapacityPledge>,
    #[graphql(skip)]
    pub held_up: Vec<BlockerCount>,
    /// Who is asked.
    pub organisation: OrganisationSummary,
    /// About which month.
    pub month: YearMonth,
    /// How far it has come.
    pub status: FollowUpStatus,
    /// The day on which it is due: the fifth business day after the month.
    pub due_on: Date,
    /// When it was first answered.
    pub answered_at: Option<DateTime<Utc>>,
    /// When the answer was last changed.
    pub changed_at: Option<DateTime<Utc>>,
    /// Open facilities that engaged the vendor at the end of the month; 0 of one that is asked for what it had pledged.
    pub facility_count: i64,
    /// Facilities that were installed in the month, less those of which that was taken back.
    pub installed_count: i64,
    /// How many the vendor had pledged.
    pub pledged_count: i64,
    /// Facilities that had applied and waited to be installed at the end of the month.
    pub waiting_count: i64,
    /// Hours on the site for an installation in the month, on average; null if of none it was told.
    pub hours_per_install: Option<f64>,
    /// How many teams the vendor has, as it says.
    pub team_count: Option<i32>,
    /// What else it says; empty if nothing.
    pub remark: String,
}

#[ComplexObject]
impl FollowUp {
    /// What the vendor pledges for the three months after it.
    async fn pledges(&self) -> Vec<CapacityPledge> {
        self.pledges.clone()
    }

    /// What holds up its facilities today, and how many.
    async fn blockers(&self) -> Vec<BlockerCount> {
        self.held_up.clone()
    }
}

/// A page of follow-ups.
pub type FollowUpConnection = Connection<String, FollowUp>;

/// How many installations are pledged.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct CapacityPledgeRow {
    /// In which month: this one to 24 months ahead.
    pub month: YearMonth,
    /// Where.
    pub prefecture: PrefectureName,
    /// How many; 0 takes a pledge back.
    pub installs: i32,
}

impl From<CapacityPledgeRow> for Pledge {
    fn from(row: CapacityPledgeRow) -> Self {
        Self {
            month: row.month.0,
            prefecture: Prefecture::from(row.prefecture).number(),
            installs: row.installs,
        }
    }
}

/// Pledges of a vendor.
#[derive(Debug, InputObject)]
pub struct CapacityPledgeInput {
    /// Global id of the vendor's organisation.
    pub organisation_id: ID,
    /// By month and prefecture, each in place of what was pledged; what is not named stays. At most 5,000.
    pub pledges: Vec<CapacityPledgeRow>,
    #[graphql(flatten)]
    pub options: WriteOptions,
}

/// The answer to a follow-up.
#[derive(Debug, InputObject)]
pub struct FollowUpAnswerInput {
    /// Global id of the vendor's organisation.
    pub organisation_id: ID,
    /// About which month, which is over.
    pub month: YearMonth,
    /// How many teams the vendor has.
    pub team_count: Option<i32>,
    /// What else there is to say, at most 2,000 characters.
    #[graphql(default)]
    pub remark: String,
    /// What it pledges for the months to come, as `capacityPledge` does.
    #[graphql(default)]
    pub pledges: Vec<CapacityPledgeRow>,
    /// Confirm that everything up to this day, included, is recorded, as `reportingConfirm` does.
    pub complete_to: Option<Date>,
    #[graphql(flatten)]
    pub options: WriteOptions,
}

/// What became of pledges.
#[derive(Debug, SimpleObject)]
pub struct CapacityPledgePayload {
    /// All that the vendor pledges from this month on; empty if it was refused.
    pub pledges: Vec<CapacityPledge>,
    /// Global id of the change that recorded it; null if nothing was written.
    pub change_id: Option<ID>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// What became of an answer.
#[derive(Debug, SimpleObject)]
pub struct FollowUpPayload {
    /// The follow-up as it stands now; null if there is none.
    pub follow_up: Option<FollowUp>,
    /// Global id of the change that recorded it; null if nothing was written.
    pub change_id: Option<ID>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

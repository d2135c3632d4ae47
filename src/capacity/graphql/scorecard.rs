//! The scorecard of a vendor or chain, in the API.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::types::tenths;
use crate::{
    api::{
        ApiResult, Date,
        context::{caller, services},
    },
    auth::{OrganisationKind, OrganisationName},
    capacity::{
        entity::reporter,
        service::{Side, may_read, scorecard},
        workload::hours_in_tenths,
    },
    change,
    facility::graphql::{OrganisationSummary, organisation_of, summary},
    figures::{Counts, graphql::percent},
};

/// How far facilities have come, in shares and averages that can be held against each other.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct ScorecardSide {
    /// With a reader application in effect, of those that are open, in per cent.
    applied_percent: Option<f64>,
    /// Ready (準備完了), of those that are open, in per cent.
    ready_percent: Option<f64>,
    /// Live (運用開始), of those that are open, in per cent.
    live_percent: Option<f64>,
    /// By how many points `readyPercent` rose since the same day of the month before.
    ready_points_in_month: Option<f64>,
    /// By how many points `livePercent` rose since the same day of the month before.
    live_points_in_month: Option<f64>,
    /// Waiting to be installed, of those that are open, in per cent.
    waiting_percent: Option<f64>,
    /// How many months that takes at the pace of the last three whole months; null while nothing is installed.
    months_to_clear: Option<f64>,
    /// Hours on the site for an installation, on average of the last three whole months; null if of none it was told.
    hours_per_install: Option<f64>,
}

impl From<&Side> for ScorecardSide {
    fn from(side: &Side) -> Self {
        let share = |of: fn(&Counts) -> i64, counts: &Counts| percent(of(counts), counts.all);
        let points = |of: fn(&Counts) -> i64| {
            let (now, before) = (share(of, &side.counts)?, share(of, &side.month_before)?);
            Some(((now - before) * 10.0).round() / 10.0)
        };
        let share = |of| share(of, &side.counts);
        Self {
            applied_percent: share(|counts| counts.applied),
            ready_percent: share(|counts| counts.ready),
            live_percent: share(|counts| counts.live),
            ready_points_in_month: points(|counts| counts.ready),
            live_points_in_month: points(|counts| counts.live),
            waiting_percent: percent(side.workload.waiting(), side.counts.all),
            months_to_clear: tenths(side.workload.months_to_clear_in_tenths()),
            hours_per_install: tenths(hours_in_tenths(side.recent())),
        }
    }
}

/// A vendor's or a chain's facilities beside the national average.
#[derive(Clone, Debug, SimpleObject)]
pub struct Scorecard {
    /// Whose.
    organisation: OrganisationSummary,
    /// What was true on this civil day (JST) …
    as_of: Date,
    /// … as it was known at this instant; null: as it is known now.
    known_at: Option<DateTime<Utc>>,
    /// Open facilities that engage the vendor, or stores of the chain.
    facility_count: i64,
    /// These.
    own: ScorecardSide,
    /// All of the nation.
    nation: ScorecardSide,
}

/// The query of scorecards.
#[derive(Default)]
pub struct ScorecardQuery;

#[Object]
impl ScorecardQuery {
    /// How far a vendor's or a chain's facilities have come, beside the national average: one's own, and everybody's to
    /// those who count the whole nation. Null for another's.
    async fn scorecard(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the vendor's or chain's organisation.")] organisation_id: ID,
        #[graphql(desc = "What was true on this civil day (JST); today if not given.")]
        as_of: Option<Date>,
        #[graphql(desc = "As it was known at this instant; now if not given.")] known_at: Option<
            DateTime<Utc>,
        >,
    ) -> ApiResult<Option<Scorecard>> {
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let id = organisation_of(&organisation_id);
        if !may_read(actor, id) {
            return Ok(None);
        }
        let found: Option<(OrganisationKind, OrganisationName)> =
            reporter(services.database.read(), id).await?;
        let Some((kind, name)) = found else {
            return Ok(None);
        };
        let today = services.clock.today();
        let as_of = as_of.map_or(today, |day| day.0);
        let known = change::resolve_known_at(&services.database, &services.clock, known_at).await?;
        let found = scorecard(&services.database, actor, (kind, id), as_of, known, today).await?;
        Ok(found.map(|card| Scorecard {
            organisation: summary(&name),
            as_of: Date(as_of),
            known_at,
            facility_count: card.own.counts.all,
            own: (&card.own).into(),
            nation: (&card.nation).into(),
        }))
    }
}

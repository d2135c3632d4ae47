//! How far a vendor's or a chain's facilities have come, beside the nation: shares and averages, which don't say how many
//! there are elsewhere.

use chrono::{Months, NaiveDate};

use super::{EARLIER_MONTHS, national_workload, workload};
use crate::{
    auth::{Actor, OrganisationKind, Permission, Scope},
    capacity::Workload,
    change::Known,
    db::{Database, DbErr, OrganisationId},
    figures::{
        Counts, Work,
        entity::rows::Filter,
        service::{Question, ask_on_days},
    },
};

/// One side of a scorecard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// On the day.
    pub counts: Counts,
    /// A month before.
    pub month_before: Counts,
    /// The work of the last months.
    pub workload: Workload,
}

impl Side {
    /// The work of the last whole months.
    pub fn recent(&self) -> Work {
        let mut sum = Work::default();
        for month in self.workload.months.iter().filter(|month| month.is_whole) {
            sum += month.work;
        }
        sum
    }
}

/// A vendor's or a chain's facilities beside all of the nation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorecard {
    /// Its own.
    pub own: Side,
    /// The nation's.
    pub nation: Side,
}

/// May an actor read the scorecard of an organisation: its own, or, who counts the nation, everybody's?
pub fn may_read(actor: &Actor, organisation: OrganisationId) -> bool {
    actor.scope(Permission::FiguresRead) == Scope::All
        || actor.may_in(organisation, Permission::FiguresRead)
}

/// The scorecard of a vendor or chain that the actor may read, as of a day and as it was known.
pub async fn scorecard(
    database: &Database,
    actor: &Actor,
    (kind, organisation): (OrganisationKind, OrganisationId),
    as_of: NaiveDate,
    known: Known,
    today: NaiveDate,
) -> Result<Option<Scorecard>, DbErr> {
    let mut filter = Filter::default();
    match kind {
        OrganisationKind::Vendor => filter.vendors = vec![Some(organisation)],
        OrganisationKind::Chain => filter.chains = vec![Some(organisation)],
        _ => return Ok(None),
    }
    let of = |filter: Filter| Question {
        as_of,
        known,
        filter,
        group_by: Vec::new(),
    };
    let before = as_of.checked_sub_months(Months::new(1)).unwrap_or(as_of);
    let days = [before, as_of];
    let (own, nation) = (of(filter), of(Filter::default()));
    // What the nation's averages are taken of is nobody's to read but as averages.
    let everybody = Actor::system();
    let own_counts = ask_on_days(database, actor, &own, &days).await?;
    let national = ask_on_days(database, &everybody, &nation, &days).await?;
    let months = EARLIER_MONTHS + 1;
    let Some(own_work) = workload(database, actor, &own, months, today).await? else {
        return Ok(None);
    };
    let national_work = national_workload(database, as_of, known, months, today).await?;
    let side = |counts: Vec<Counts>, workload| {
        let at = |place: usize| counts.get(place).copied().unwrap_or_default();
        Side {
            month_before: at(0),
            counts: at(1),
            workload,
        }
    };
    Ok(Some(Scorecard {
        own: side(own_counts, own_work),
        nation: side(national, national_work),
    }))
}

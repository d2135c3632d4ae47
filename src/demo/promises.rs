//! What organisations of the demo promised: vendors what they would install, chains what they would have done when.

use std::collections::BTreeMap;

use chrono::{Days, Months, NaiveDate};

use super::{
    DemoAction, DemoFacility,
    chronicle::vendor_on,
    ledger::{Ledger, Recorder},
    rng::Rng,
    roster::Organisations,
};
use crate::{
    app::{Month, calendar::is_business_day},
    db::{FacilityId, Values},
    facility::Prefecture,
    milestone::Milestone,
};

/// The purpose of the stream of chance.
const PURPOSE: u64 = 0x7072_6F6D_6973_6573;
/// The first of the months for which vendors pledged; the last is three months later.
const FIRST_MONTH: Option<NaiveDate> = NaiveDate::from_ymd_opt(2021, 10, 1);
/// Of the last month of records nineteen days are known.
const DAYS_OF_DECEMBER: (i64, i64) = (31, 19);
/// The day on which the chains planned their wave.
const WAVE_PLANNED_ON: Option<NaiveDate> = NaiveDate::from_ymd_opt(2021, 11, 15);

/// What vendors installed in the months for which they pledged.
#[derive(Default)]
pub(super) struct Pledges(BTreeMap<(usize, Prefecture), [i64; 3]>);

impl Pledges {
    /// Counts what was installed at a facility.
    pub(super) fn count(&mut self, facility: &DemoFacility) {
        let Some(first) = FIRST_MONTH else {
            return;
        };
        for event in &facility.events {
            let installed =
                event.milestone == Milestone::Installed && event.action == DemoAction::Reached;
            let vendor = vendor_on(facility, event.effective_on).filter(|_| installed);
            let Some(vendor) = vendor.filter(|_| event.effective_on >= first) else {
                continue;
            };
            let months = self.0.entry((vendor, facility.prefecture)).or_default();
            let began = (0_u32..)
                .zip(months.iter_mut())
                .filter(|(place, _)| first + Months::new(*place) <= event.effective_on);
            if let Some((_, count)) = began.last() {
                *count += 1;
            }
        }
    }

    /// What was pledged on the last business day before each month: about what was then installed, seldom less, and for
    /// January as much as in the months before.
    pub(super) fn rows(&self, organisations: Organisations, ledger: &mut Ledger) -> Vec<Values> {
        let mut rows = Vec::new();
        let Some(first) = FIRST_MONTH else {
            return rows;
        };
        for ((vendor, prefecture), [october, november, december]) in &self.0 {
            let (of, known) = DAYS_OF_DECEMBER;
            let december = december * of / known;
            let usual = (october + november + december) / 3;
            for (place, installs) in (0_u32..).zip([*october, *november, december, usual]) {
                let mut rng = Rng::stream(&[
                    PURPOSE,
                    u64::try_from(*vendor).unwrap_or(0),
                    prefecture.number().into(),
                    place.into(),
                ]);
                let installs = installs * i64::from(rng.between(90, 130)) / 100;
                let month = first + Months::new(place);
                if installs > 0 {
                    let pledged_on = business_day_before(month);
                    let change = ledger.change(pledged_on, Recorder::Vendor(*vendor));
                    rows.push(vec![
                        organisations.vendor(*vendor).0.into(),
                        Month::of(month).first().into(),
                        i16::from(prefecture.number()).into(),
                        i32::try_from(installs).unwrap_or(i32::MAX).into(),
                        change.0.into(),
                        None::<i64>.into(),
                    ]);
                }
            }
        }
        rows
    }
}

/// The last business day before a day, of those that the demo has.
fn business_day_before(day: NaiveDate) -> NaiveDate {
    let last = super::calendar::Day::LAST.date();
    let mut before = (day - Days::new(1)).min(last);
    while !is_business_day(before) {
        before = before - Days::new(1);
    }
    before
}

/// The stores of chains that were to be installed after the wave was planned, and the days first promised.
#[derive(Default)]
pub(super) struct Waves(BTreeMap<usize, BTreeMap<FacilityId, NaiveDate>>);

impl Waves {
    /// Notes a facility that belongs to a chain with waves.
    pub(super) fn add(
        &mut self,
        facility: &DemoFacility,
        id: FacilityId,
        promised_on: Option<NaiveDate>,
    ) {
        let Some(planned) = WAVE_PLANNED_ON else {
            return;
        };
        let chain = facility
            .chain
            .iter()
            .find(|link| link.from <= planned && link.until.is_none());
        if let (Some(chain), Some(day)) = (chain, promised_on)
            && Organisations::has_areas(chain.index)
            && facility.opened_on <= planned
            && planned < day
        {
            self.0.entry(chain.index).or_default().insert(id, day);
        }
    }

    /// A wave for each of these chains, and its stores.
    pub(super) fn rows(
        &self,
        organisations: Organisations,
        ledger: &mut Ledger,
    ) -> (Vec<Values>, Vec<Values>) {
        let (mut waves, mut rows) = (Vec::new(), Vec::new());
        let Some(planned) = WAVE_PLANNED_ON else {
            return (waves, rows);
        };
        let change = ledger.change(planned, Recorder::Fund);
        let mut store_id = 0_i64;
        for (id, (chain, stores)) in (1_i64..).zip(&self.0) {
            waves.push(vec![
                id.into(),
                organisations.chain(*chain).0.into(),
                "年末年始の導入".into(),
                Milestone::Installed.code().into(),
                1_i32.into(),
                change.0.into(),
                None::<i64>.into(),
            ]);
            for (store, day) in stores {
                store_id += 1;
                rows.push(vec![
                    store_id.into(),
                    id.into(),
                    store.0.into(),
                    (*day).into(),
                    change.0.into(),
                    None::<i64>.into(),
                ]);
            }
        }
        (waves, rows)
    }
}

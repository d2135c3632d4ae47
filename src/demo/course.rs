//! Who does what in which interval: the flows of a kind, dealt out to its facilities.
//!
//! The facilities of each prefecture are laid out in random order and given a part to play: to stand at the end with an
//! application or without one, or to close on the way. Then the flows are dealt out like cards. The few with a special
//! course (closing, opened late, cancelled, applied again) take theirs first, since they can use only some of them; all
//! others share what is left. Whoever holds the plan of a facility can work out its dates, and needs no other.

use crate::facility::{FacilityKind, Prefecture};

use super::allocation::{self, Share};
use super::calendar::Interval;
use super::organisations::{Organisations, Place};
use super::rng::Rng;
use super::scale::Scale;
use super::schedule::{self, Flows};

/// The intervals in which a facility moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// None if it was open before the rollout.
    pub(super) opened: Option<Interval>,
    pub(super) closed: Option<Interval>,
    pub(super) applied: Option<Interval>,
    pub(super) withdrawn: Option<Interval>,
    pub(super) reapplied: Option<Interval>,
    pub(super) ready: Option<Interval>,
    pub(super) live: Option<Interval>,
}

/// All that has to be remembered of a facility; the rest follows from its place in the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) course: Course,
    pub(super) vendor: Option<Place>,
    pub(super) chain: Option<Place>,
}

/// The plans of a kind in a prefecture, in the order of their codes.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) prefecture: Prefecture,
    pub(super) kind: FacilityKind,
    pub(super) plans: Vec<Plan>,
}

/// Plans all facilities of a kind: one cell for each prefecture.
pub(super) fn plan(kind: FacilityKind, scale: Scale, organisations: &Organisations) -> Vec<Cell> {
    let flows = schedule::flows(kind, scale);
    let layout = Layout::new(kind, scale, &flows);
    let mut deal = Deal {
        rng: Rng::stream(&[20, u64::from(kind.code().unsigned_abs())]),
        left: flows,
        plans: engage(kind, &layout, organisations),
    };
    deal.close(&layout.closing, &flows);
    let newcomers = deal.open(&layout, &flows);
    deal.cancel(&layout.without, newcomers.without, &flows);
    let late = deal.change_minds(&layout.with_application, newcomers.with_application, &flows);
    deal.apply(layout.with_application.get(late..).unwrap_or_default());
    deal.make_ready(&layout);
    layout.cells(kind, deal.plans)
}

/// Where the facilities of a kind lie in its list of plans, and which part each has.
struct Layout {
    prefectures: Vec<(Share, u32)>,
    /// Places of those that stand at the end with an application in effect, in random order; so the others.
    with_application: Vec<usize>,
    without: Vec<usize>,
    closing: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Part {
    WithApplication,
    Without,
    Closing,
}

impl Layout {
    fn new(kind: FacilityKind, scale: Scale, flows: &Flows) -> Self {
        let shares = allocation::shares(kind, scale);
        let weights: Vec<u64> = shares.iter().map(|share| u64::from(share.open)).collect();
        let closing = allocation::apportion(
            flows.closed.total(),
            &weights,
            &vec![u32::MAX; shares.len()],
        );
        let mut layout = Self {
            prefectures: shares.into_iter().zip(closing).collect(),
            with_application: Vec::new(),
            without: Vec::new(),
            closing: Vec::new(),
        };
        let mut rng = Rng::stream(&[21, u64::from(kind.code().unsigned_abs())]);
        let parts: Vec<Part> = layout
            .prefectures
            .iter()
            .flat_map(|(share, closing)| parts(*share, *closing, &mut rng))
            .collect();
        for (place, part) in parts.into_iter().enumerate() {
            match part {
                Part::WithApplication => layout.with_application.push(place),
                Part::Without => layout.without.push(place),
                Part::Closing => layout.closing.push(place),
            }
        }
        rng.shuffle(&mut layout.with_application);
        rng.shuffle(&mut layout.without);
        rng.shuffle(&mut layout.closing);
        layout
    }

    fn places(&self) -> impl Iterator<Item = Prefecture> {
        self.prefectures.iter().flat_map(|(share, closing)| {
            std::iter::repeat_n(share.prefecture, count(share.open + closing))
        })
    }

    fn cells(self, kind: FacilityKind, plans: Vec<Plan>) -> Vec<Cell> {
        let mut plans = plans.into_iter();
        let cells = self.prefectures.into_iter().map(|(share, closing)| Cell {
            prefecture: share.prefecture,
            kind,
            plans: plans.by_ref().take(count(share.open + closing)).collect(),
        });
        cells.collect()
    }
}

/// The parts of a prefecture's facilities, in random order, so that no code tells what will become of its bearer.
fn parts(share: Share, closing: u32, rng: &mut Rng) -> Vec<Part> {
    let mut parts = vec![Part::WithApplication; count(share.applied)];
    parts.extend(std::iter::repeat_n(
        Part::Without,
        count(share.open - share.applied),
    ));
    parts.extend(std::iter::repeat_n(Part::Closing, count(closing)));
    rng.shuffle(&mut parts);
    parts
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Chooses chain and vendor of each facility. Nearly all who apply have a vendor, and many others.
fn engage(kind: FacilityKind, layout: &Layout, organisations: &Organisations) -> Vec<Plan> {
    let mut without =
        vec![false; layout.with_application.len() + layout.without.len() + layout.closing.len()];
    for place in &layout.without {
        if let Some(without) = without.get_mut(*place) {
            *without = true;
        }
    }
    let mut rng = Rng::stream(&[22, u64::from(kind.code().unsigned_abs())]);
    let engaged = layout.places().zip(without).map(|(prefecture, without)| {
        let is_pharmacy = kind == FacilityKind::Pharmacy;
        let chain = if is_pharmacy {
            organisations.draw_chain(&mut rng, prefecture)
        } else {
            None
        };
        let house_vendor = chain
            .filter(|_| rng.per_mille(850))
            .and_then(|chain| organisations.vendor_of_chain(chain));
        let own_vendor = organisations.draw_vendor(&mut rng, kind, prefecture);
        let has_vendor = rng.per_mille(if without { 580 } else { 960 });
        let vendor = house_vendor.or(own_vendor).filter(|_| has_vendor);
        Plan {
            course: Course::default(),
            vendor,
            chain,
        }
    });
    engaged.collect()
}

/// How many of each list are taken by facilities that opened during the rollout.
struct Newcomers {
    with_application: usize,
    without: usize,
}

/// The flows being dealt out.
struct Deal {
    rng: Rng,
    left: Flows,
    plans: Vec<Plan>,
}

impl Deal {
    fn edit(&mut self, place: usize, change: impl FnOnce(&mut Course)) {
        if let Some(plan) = self.plans.get_mut(place) {
            change(&mut plan.course);
        }
    }

    fn course(&self, place: usize) -> Course {
        self.plans
            .get(place)
            .map(|plan| plan.course)
            .unwrap_or_default()
    }

    /// An interval before `limit` in which somebody still has to apply.
    fn draw_application_before(&mut self, limit: Interval) -> Option<Interval> {
        self.left
            .applied
            .draw(&mut self.rng, Interval::FIRST, limit.previous()?)
    }

    /// Those who close: some of them had applied, a few were ready or even live.
    fn close(&mut self, closing: &[usize], flows: &Flows) {
        let mut places = closing.iter();
        for interval in Interval::all() {
            let applied = flows.closed_applied.at(interval);
            let ready = flows.closed_ready.at(interval);
            let live = flows.closed_live.at(interval);
            for (number, place) in (0..flows.closed.at(interval)).zip(places.by_ref()) {
                let mut course = Course {
                    closed: Some(interval),
                    ..Course::default()
                };
                if number < applied {
                    course.applied = self.draw_application_before(interval);
                }
                if number < ready {
                    self.draw_readiness_before(interval, number < live, &mut course);
                }
                self.edit(*place, |own| *own = course);
            }
        }
    }

    fn draw_readiness_before(&mut self, limit: Interval, goes_live: bool, course: &mut Course) {
        let (Some(applied), Some(last)) = (course.applied, limit.previous()) else {
            return;
        };
        let Some(after_application) = applied.next() else {
            return;
        };
        course.ready = self.left.ready.draw(&mut self.rng, after_application, last);
        if let Some(ready) = course.ready.filter(|_| goes_live) {
            course.live = self.left.live.draw(&mut self.rng, ready, last);
        }
    }

    /// Those who open during the rollout. Three in ten of them apply soon.
    fn open(&mut self, layout: &Layout, flows: &Flows) -> Newcomers {
        let mut applying = layout.with_application.iter();
        let mut others = layout.without.iter();
        for interval in Interval::all().rev() {
            let opened = flows.opened.at(interval);
            let apply = (opened * 3 / 10).min(flows.applied.at(interval) / 2);
            for place in applying.by_ref().take(count(apply)) {
                let applied = self
                    .left
                    .applied
                    .draw(&mut self.rng, interval, Interval::LAST);
                self.edit(*place, |own| {
                    *own = Course {
                        opened: Some(interval),
                        applied,
                        ..Course::default()
                    }
                });
            }
            for place in others.by_ref().take(count(opened - apply)) {
                self.edit(*place, |own| own.opened = Some(interval));
            }
        }
        Newcomers {
            with_application: layout.with_application.len() - applying.len(),
            without: layout.without.len() - others.len(),
        }
    }

    /// Those who cancel for good: what is withdrawn and not applied for again.
    fn cancel(&mut self, without: &[usize], newcomers: usize, flows: &Flows) {
        let mut for_good = flows.withdrawn;
        for again in flows.reapplied.spread() {
            let Some(before) = again.previous() else {
                continue;
            };
            for_good.draw(&mut self.rng, Interval::FIRST, before);
        }
        let places = without.get(newcomers..).unwrap_or_default();
        for (withdrawn, place) in for_good.spread().zip(places) {
            let applied = self.draw_application_before(withdrawn);
            self.edit(*place, |own| {
                own.applied = applied;
                own.withdrawn = applied.and(Some(withdrawn));
            });
            self.left
                .withdrawn
                .draw(&mut self.rng, withdrawn, withdrawn);
        }
    }

    /// Those who cancel and apply again. Returns how many places are used up.
    fn change_minds(
        &mut self,
        with_application: &[usize],
        newcomers: usize,
        flows: &Flows,
    ) -> usize {
        let places = with_application.get(newcomers..).unwrap_or_default();
        let mut used = newcomers;
        for (again, place) in flows.reapplied.spread().zip(places) {
            let withdrawn = again.previous().and_then(|last| {
                self.left
                    .withdrawn
                    .draw(&mut self.rng, Interval::FIRST, last)
            });
            let applied = withdrawn.and_then(|withdrawn| self.draw_application_before(withdrawn));
            self.edit(*place, |own| {
                *own = Course {
                    applied,
                    withdrawn,
                    reapplied: Some(again),
                    ..Course::default()
                };
            });
            used += 1;
        }
        used
    }

    /// All others share the applications that are left.
    fn apply(&mut self, places: &[usize]) {
        let applied: Vec<Interval> = self.left.applied.spread().collect();
        for (interval, place) in applied.into_iter().zip(places) {
            self.edit(*place, |own| own.applied = Some(interval));
        }
    }

    /// Readiness, to those whose vendor and prefecture are quickest, with a good deal of luck; then operation, mostly to
    /// those who have been ready for longer.
    fn make_ready(&mut self, layout: &Layout) {
        let regions: Vec<Prefecture> = layout.places().collect();
        let mut by_application: Vec<Vec<usize>> = vec![Vec::new(); Interval::COUNT];
        for place in &layout.with_application {
            let course = self.course(*place);
            let applied = course.reapplied.or(course.applied);
            if let Some(list) =
                applied.and_then(|interval| by_application.get_mut(interval.place()))
            {
                list.push(*place);
            }
        }
        let (mut waiting_to_be_ready, mut waiting_to_be_live) =
            (Queue::default(), Queue::default());
        for interval in Interval::all() {
            let earlier = interval
                .previous()
                .and_then(|previous| by_application.get(previous.place()));
            for place in earlier.into_iter().flatten() {
                let turn = self.turn(*place, &regions);
                waiting_to_be_ready.join(turn, *place);
            }
            for place in waiting_to_be_ready.serve(self.left.ready.at(interval)) {
                self.edit(place, |own| own.ready = Some(interval));
                let since = u32::from(interval.number()) * 20_000;
                waiting_to_be_live.join(since + self.rng.between(0, 60_000), place);
            }
            for place in waiting_to_be_live.serve(self.left.live.at(interval)) {
                self.edit(place, |own| own.live = Some(interval));
            }
        }
    }

    fn turn(&mut self, place: usize, regions: &[Prefecture]) -> u32 {
        let slowness = |labels: &[u64], most: u32| Rng::stream(labels).between(0, most);
        let region = regions
            .get(place)
            .map_or(0, |region| slowness(&[23, region.number().into()], 25_000));
        let vendor = self.plans.get(place).and_then(|plan| plan.vendor);
        let vendor = vendor.map_or(400_000, |vendor| slowness(&[24, vendor.into()], 35_000));
        region + vendor + self.rng.between(0, 60_000)
    }
}

/// A queue in which the lowest turn is served first.
#[derive(Default)]
struct Queue(Vec<(u32, usize)>);

impl Queue {
    fn join(&mut self, turn: u32, place: usize) {
        self.0.push((turn, place));
    }

    fn serve(&mut self, number: u32) -> Vec<usize> {
        self.0.sort_unstable_by(|a, b| b.cmp(a));
        let keep = self.0.len().saturating_sub(count(number));
        self.0
            .split_off(keep)
            .into_iter()
            .map(|(_, place)| place)
            .collect()
    }
}

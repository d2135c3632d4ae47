//! Loads the demo nation into an empty database: organisations, facilities, their history as it was
//! recorded day by day, and everything that follows from it. One thread makes facilities while another
//! writes them, some at a time, so memory stays small; the whole is one transaction.

use chrono::NaiveDate;
use tokio::sync::mpsc;

use super::{
    DemoFacility, National, Scale, chronicle, directory,
    entity::{DEMO, DEPLOYMENT, ORGANISATION},
    fieldwork::{self, Order},
    ledger::{Ledger, Recorder},
    promises::{Pledges, Waves},
    roster::Organisations,
};
use crate::{
    app::Clock,
    capacity::entity::CAPACITY_PLEDGE,
    chain::entity::{WAVE, WAVE_STORE},
    change::{CHANGE_HORIZON, Horizon, SETTLED_CHANGE, horizon_values},
    db::{
        Database, DbErr, FacilityId, Values,
        load::{Loader, Searchable},
    },
    facility::{
        entity::{Contacts, FACILITY, FACILITY_CODE, code_values, facility_values},
        text,
    },
    figures::{
        Tally,
        entity::{
            Cube, FIGURE_DELTA, FIGURE_TOTAL, KNOWN_PERIOD, Sums, WORK_DELTA, WORK_TOTAL,
            delta_values, known_period_values,
        },
    },
    installation::{
        self, Checklist, Installation, InstallationId, InstallationStatus,
        entity::{
            Checks, INSTALLATION, INSTALLATION_BEFORE, INSTALLATION_CHECK, Image, image_values,
        },
    },
    milestone::{
        Milestone, Replay,
        entity::{
            FACILITY_BLOCKER, FACILITY_STATE, LOADED_EVENT, MILESTONE_PLAN, loaded_event_values,
            state_values,
        },
    },
    vendor::entity::{VENDOR_AREA, VENDOR_CONTACT, VENDOR_PROFILE, VENDOR_SYSTEM, profile_rows},
};

/// Facilities written at a time.
const BATCH: usize = 1_000;
/// Batches that wait to be written.
const WAITING: usize = 1;

/// Loads the demo nation at a scale. `progress` is told how many facilities of how many are written.
///
/// # Errors
/// The database isn't empty (see [`schema::is_unused`](crate::db::schema::is_unused)), or it failed. Nothing is left then.
pub async fn load(
    database: &Database,
    clock: &Clock,
    scale: Scale,
    progress: impl Fn(usize, usize),
) -> Result<(), DbErr> {
    let nation = National::plan(scale);
    let organisations = Organisations::of(&nation);
    let total = nation.facility_count();
    let mut loader = Loader::begin(
        database,
        &[
            &ORGANISATION,
            &VENDOR_PROFILE,
            &VENDOR_AREA,
            &VENDOR_SYSTEM,
            &VENDOR_CONTACT,
            &SETTLED_CHANGE,
            &FACILITY,
            &FACILITY_CODE,
            &LOADED_EVENT,
            &FACILITY_STATE,
            &MILESTONE_PLAN,
            &FACILITY_BLOCKER,
            &INSTALLATION,
            &INSTALLATION_CHECK,
            &INSTALLATION_BEFORE,
            &CAPACITY_PLEDGE,
            &WAVE,
            &WAVE_STORE,
            &KNOWN_PERIOD,
            &FIGURE_DELTA,
            &FIGURE_TOTAL,
            &WORK_DELTA,
            &WORK_TOTAL,
        ],
    )
    .await?;
    loader
        .write(&ORGANISATION, organisations.rows(&nation))
        .await?;
    organisations.tell(&nation, &mut loader).await?;
    let (sender, mut batches) = mpsc::channel(WAITING);
    let making = tokio::task::spawn_blocking(move || make(&nation, organisations, &sender));
    let mut written = 0;
    while let Some(batch) = batches.recv().await {
        written += batch.facilities.len();
        batch.write(&mut loader).await?;
        progress(written, total);
    }
    let made = making
        .await
        .map_err(|error| DbErr::Custom(error.to_string()))??;
    made.write(&mut loader, organisations).await?;
    let facts = [
        (DEMO, scale.to_string()),
        ("demo_loaded_at", clock.now().to_rfc3339()),
    ];
    let facts = facts.map(|(key, value)| vec![key.into(), value.into()]);
    loader.write(&DEPLOYMENT, facts).await?;
    loader.finish().await
}

impl Organisations {
    /// Writes what vendors and support contractors tell in the directory.
    async fn tell(self, nation: &National, loader: &mut Loader) -> Result<(), DbErr> {
        let vendors = directory::vendors(nation).into_iter().enumerate();
        let vendors = vendors.map(|(place, told)| (self.vendor(place), told));
        let contractors = (1..).zip(Self::SUPPORT_CONTRACTORS);
        let contractors =
            contractors.map(|(number, id)| (id, directory::support_contractor(number)));
        let (mut profiles, mut areas, mut systems, mut contacts) = (vec![], vec![], vec![], vec![]);
        for (id, told) in contractors.chain(vendors) {
            let rows = profile_rows(id, &told, 1, None);
            profiles.push(rows.profile);
            areas.extend(rows.areas);
            systems.extend(rows.systems);
            contacts.extend(rows.contacts);
        }
        loader.write(&VENDOR_PROFILE, profiles).await?;
        loader.write(&VENDOR_AREA, areas).await?;
        loader.write(&VENDOR_SYSTEM, systems).await?;
        loader.write(&VENDOR_CONTACT, contacts).await?;
        Ok(())
    }
}

/// Facilities with everything of theirs, ready to be written.
#[derive(Default)]
struct Batch {
    facilities: Vec<Searchable>,
    codes: Vec<Values>,
    events: Vec<Values>,
    states: Vec<Values>,
    plans: Vec<Values>,
    blockers: Vec<Values>,
    orders: Vec<Values>,
    checks: Vec<Values>,
    images: Vec<Values>,
    periods: Vec<Values>,
}

impl Batch {
    async fn write(self, loader: &mut Loader) -> Result<(), DbErr> {
        loader.write_searchable(&FACILITY, self.facilities).await?;
        loader.write(&FACILITY_CODE, self.codes).await?;
        loader.write(&LOADED_EVENT, self.events).await?;
        loader.write(&FACILITY_STATE, self.states).await?;
        loader.write(&MILESTONE_PLAN, self.plans).await?;
        loader.write(&FACILITY_BLOCKER, self.blockers).await?;
        loader.write(&INSTALLATION, self.orders).await?;
        loader.write(&INSTALLATION_CHECK, self.checks).await?;
        loader.write(&INSTALLATION_BEFORE, self.images).await?;
        loader.write(&KNOWN_PERIOD, self.periods).await
    }
}

/// What is known of the nation once all facilities are made.
struct Made {
    ledger: Ledger,
    levels: Tally,
    work: Tally,
    pledges: Pledges,
    waves: Waves,
}

/// Makes all facilities, and hands them over in batches until nobody takes them any more.
fn make(
    nation: &National,
    organisations: Organisations,
    batches: &mpsc::Sender<Batch>,
) -> Result<Made, DbErr> {
    let mut maker = Maker {
        organisations,
        next_event: 1,
        next_order: 1,
        made: Made {
            ledger: Ledger::new(organisations.vendor_count()),
            levels: Tally::default(),
            work: Tally::default(),
            pledges: Pledges::default(),
            waves: Waves::default(),
        },
        batch: Batch::default(),
    };
    for (facility, id) in nation.facilities().zip(1_i64..) {
        maker.add(FacilityId(id), facility)?;
        if maker.batch.facilities.len() == BATCH
            && batches
                .blocking_send(std::mem::take(&mut maker.batch))
                .is_err()
        {
            break;
        }
    }
    batches.blocking_send(maker.batch).ok();
    Ok(maker.made)
}

struct Maker {
    organisations: Organisations,
    next_event: i64,
    next_order: i64,
    made: Made,
    batch: Batch,
}

impl Maker {
    fn add(&mut self, id: FacilityId, facility: DemoFacility) -> Result<(), DbErr> {
        let Made {
            ledger,
            levels,
            work,
            pledges,
            waves,
        } = &mut self.made;
        let fieldwork = fieldwork::of(&facility, self.organisations);
        if let Some(order) = fieldwork.order {
            let row = InstallationId(self.next_order);
            self.next_order += 1;
            self.batch
                .add_order(row, id, &facility, order, self.organisations, ledger)?;
        }
        pledges.count(&facility);
        waves.add(&facility, id, fieldwork.promised_on);
        let told = fieldwork.entries;
        let events = chronicle::of(
            &facility,
            told,
            self.organisations,
            ledger,
            &mut self.next_event,
        );
        let rows = events
            .iter()
            .map(|(change, event)| loaded_event_values(id, *change, event));
        self.batch.events.extend(rows);
        let mut replay = Replay::default();
        for recorded in events.chunk_by(|(one, _), (other, _)| one == other) {
            let change = recorded.first().map(|(change, _)| *change);
            let events = recorded.iter().map(|(_, event)| event.clone());
            let added = change.map(|change| (change, replay.record(change, events)));
            if let Some((change, added)) = added {
                let added = added.map_err(|broken| impossible(&facility, &broken))?;
                levels.add(change, &added.levels);
                work.add(change, &added.work);
            }
        }
        self.batch.add(id, facility, &replay);
        Ok(())
    }
}

fn impossible(facility: &DemoFacility, broken: &crate::milestone::Violation) -> DbErr {
    DbErr::Custom(format!(
        "the demo's {} breaks a rule: {broken:?}",
        facility.code
    ))
}

impl Batch {
    /// A work order, with everything ticked off if it was done.
    fn add_order(
        &mut self,
        row: InstallationId,
        id: FacilityId,
        facility: &DemoFacility,
        order: Order,
        organisations: Organisations,
        ledger: &mut Ledger,
    ) -> Result<(), DbErr> {
        let recorder = Recorder::Vendor(order.vendor);
        let ended_by = order
            .done
            .map(|done| ledger.change(done.recorded, recorder));
        let checklist = Checklist::built_in(facility.kind);
        for item in checklist.items.iter().filter(|item| item.required) {
            if let (Some(done), Some(change)) = (order.done, ended_by) {
                self.checks.push(vec![
                    row.0.into(),
                    item.code.clone().into(),
                    done.on.into(),
                    change.0.into(),
                ]);
            }
        }
        let opened = Installation {
            id: row,
            facility: id,
            status: InstallationStatus::Open,
            window: Some(order.window),
            started_on: None,
            ended_on: None,
            minutes: None,
            crew: None,
            remark: None,
            checklist: (facility.kind, Checklist::BUILT_IN),
            vendor: None,
            contractor: None,
            version: 1,
            opened_by: ledger.change(order.opened, recorder),
            ended_by: None,
        };
        self.images.push(image_values(opened.opened_by, row, None)?);
        let now = match (order.done, ended_by) {
            (Some(done), Some(change)) => {
                let image = Image {
                    order: opened.clone(),
                    checks: Checks::new(),
                    names: Vec::new(),
                };
                self.images.push(image_values(change, row, Some(&image))?);
                Installation {
                    status: InstallationStatus::Done,
                    started_on: Some(done.on),
                    ended_on: Some(done.on),
                    minutes: Some(done.minutes),
                    crew: Some(order.crew),
                    vendor: Some(organisations.vendor(order.vendor)),
                    version: 2,
                    ended_by,
                    ..opened
                }
            }
            _ => opened,
        };
        self.orders.push(installation::entity::values(&now));
        Ok(())
    }

    fn add(&mut self, id: FacilityId, facility: DemoFacility, replay: &Replay) {
        let present = [(facility.code, None)];
        let past = facility
            .past_codes
            .iter()
            .map(|(code, until)| (*code, Some(*until)));
        let codes = past.chain(present);
        self.codes
            .extend(codes.map(|(code, until)| code_values(code, id, until)));
        self.periods.extend(
            replay.periods().iter().map(|known| {
                known_period_values(id, &known.period, known.added_by, known.removed_by)
            }),
        );
        self.states.extend(replay.derived().map(|derived| {
            let code = facility.code.to_string();
            state_values(id, &code, replay.version(), &derived.current)
        }));
        if let Some(derived) = replay.derived() {
            let planned = |milestone: &Milestone| *derived.current.planned_on.of(*milestone);
            let plans = Milestone::ALL
                .iter()
                .filter_map(|milestone| Some((milestone.code(), planned(milestone)?)));
            let row = |(code, day): (i16, NaiveDate)| vec![id.0.into(), code.into(), day.into()];
            self.plans.extend(plans.map(row));
            let blocked = derived.current.blocked_since.iter();
            self.blockers
                .extend(blocked.map(|(blocker, since)| row((blocker.code(), *since))));
        }
        let contacts = Contacts {
            name: facility.name,
            name_kana: facility.name_kana,
            postal_code: facility.postal_code,
            address: facility.address,
            phone: facility.phone,
            email: facility.email,
        };
        self.facilities.push(Searchable {
            grams: text::grams(&contacts.search_text()),
            values: facility_values(id, &contacts),
        });
    }
}

impl Made {
    /// Writes changes, deltas and totals.
    async fn write(
        mut self,
        loader: &mut Loader,
        organisations: Organisations,
    ) -> Result<(), DbErr> {
        let pledges = self.pledges.rows(organisations, &mut self.ledger);
        loader.write(&CAPACITY_PLEDGE, pledges).await?;
        let (waves, stores) = self.waves.rows(organisations, &mut self.ledger);
        loader.write(&WAVE, waves).await?;
        loader.write(&WAVE_STORE, stores).await?;
        let changes = self.ledger.changes();
        loader
            .write(
                &SETTLED_CHANGE,
                changes.map(|change| change.values(organisations)),
            )
            .await?;
        for (cube, tally) in [(Cube::LEVELS, self.levels), (Cube::WORK, self.work)] {
            write_cube(loader, &self.ledger, &cube, tally).await?;
        }
        let Some(last) = self.ledger.changes().last() else {
            return Ok(());
        };
        let horizon = Horizon {
            last_seq: last.seq,
            settled_until: last.settled_at(),
            folded_seq: last.seq,
        };
        loader
            .replace(&CHANGE_HORIZON, horizon_values(&horizon))
            .await
    }
}

/// Writes what changes add to a cube, and what that adds up to.
async fn write_cube(
    loader: &mut Loader,
    ledger: &Ledger,
    cube: &Cube,
    tally: Tally,
) -> Result<(), DbErr> {
    let mut changes = ledger.changes().peekable();
    let mut sums = Sums::default();
    let mut ordinal = 0_i32;
    let deltas = tally.into_sorted().filter_map(|(id, delta)| {
        while changes.next_if(|change| change.id < id).is_some() {
            ordinal = 0;
        }
        sums.add(changes.peek()?.settled_at(), &delta);
        ordinal += 1;
        Some(delta_values(id, ordinal - 1, &delta))
    });
    loader.write(cube.deltas, deltas).await?;
    while let Some(rows) = sums.next_rows() {
        loader.write(cube.totals, rows).await?;
    }
    Ok(())
}

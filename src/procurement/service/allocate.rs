//! Allocating units that arrived to facilities, and taking them back into stock.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{is_staff, may_for, orders::bad_day};
use crate::{
    auth::{Actor, Permission},
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId, OrganisationId, Transaction},
    milestone::{
        self, Aspect, Event,
        authority::Topic,
        check_note,
        service::{Draft, ErrorPolicy, Step, Taken, Working, commit},
    },
    procurement::{
        Lot, LotId, OrderProblem as Problem,
        entity::orders::{self as entity, Allocation},
        procured,
    },
    supply::{self, Model, ModelId},
};

/// Most units for one facility from one lot.
pub const MOST_FOR_ONE: i32 = 100;

/// Which way units go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// From the stock to a facility.
    Out,
    /// From a facility back into the stock.
    Back,
}

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationRow {
    /// Of which lot.
    pub lot: LotId,
    /// Which facility, or why there is none.
    pub facility: Result<FacilityId, milestone::Problem>,
    /// How many units; what goes back are all of them.
    pub quantity: i32,
    /// On which day.
    pub on: NaiveDate,
    /// A remark.
    pub note: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationRowOutcome {
    /// The lot, if it is the caller's.
    pub lot: Option<LotId>,
    /// The facility, if the caller sees it.
    pub facility: Option<FacilityId>,
    /// Whether anything is, or would be, written for this row.
    pub written: bool,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationOutcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Row by row, in input order.
    pub rows: Vec<AllocationRowOutcome>,
}

/// The request while its rows are taken one by one.
struct Request<'a> {
    actor: &'a Actor,
    draft: Draft,
    lots: BTreeMap<LotId, Lot>,
    models: BTreeMap<ModelId, Model>,
    /// What is allocated to the facilities, as the rows so far leave it.
    allocated: Vec<Allocation>,
    ended: Vec<(i64, NaiveDate)>,
    /// Those that stand from now on for what another one reached.
    heirs: Vec<i64>,
    changed: Vec<LotId>,
    rows: Vec<AllocationRowOutcome>,
}

/// Allocates units of lots to facilities, or takes them back, in one transaction and by the error policy, or answers as the
/// first time if that was done before under the same key. What a facility gets it has procured, in the same transaction.
pub async fn allocate(
    writer: &Writer<'_>,
    way: Way,
    rows: &[AllocationRow],
    policy: ErrorPolicy,
) -> Result<AllocationOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut request = Request::read(writer, &transaction, rows).await?;
    for (index, row) in rows.iter().enumerate() {
        let taken = request.take(index, way, row);
        request.tell(row, taken);
    }
    let refused = request.rows.iter().any(|row| !row.problems.is_empty());
    let nothing = refused && policy == ErrorPolicy::RejectAll || request.changed.is_empty();
    if nothing {
        request.rows.iter_mut().for_each(|row| row.written = false);
    }
    if nothing || writer.dry_run {
        let outcome = AllocationOutcome {
            change: None,
            rows: request.rows,
        };
        return writer.refuse(transaction, outcome).await;
    }
    let operation = match way {
        Way::Out => "hardwareAllocate",
        Way::Back => "hardwareRelease",
    };
    let in_name_of = request.in_name_of();
    let change = change::record(&transaction, writer, in_name_of, operation).await?;
    commit(writer, &transaction, change, &request.draft.amended()).await?;
    request.write(writer, &transaction, change).await?;
    let outcome = AllocationOutcome {
        change: Some(change),
        rows: request.rows,
    };
    writer.finish(transaction, outcome).await
}

impl<'a> Request<'a> {
    async fn read(
        writer: &Writer<'a>,
        transaction: &Transaction,
        rows: &[AllocationRow],
    ) -> Result<Self, DbErr> {
        let database = writer.database;
        let facilities: Vec<FacilityId> = rows
            .iter()
            .filter_map(|row| row.facility.as_ref().ok().copied())
            .collect();
        // Facilities are locked before lots, by everybody who needs both.
        let draft = Draft::read(writer, transaction, facilities.clone()).await?;
        let mut lots: Vec<LotId> = rows.iter().map(|row| row.lot).collect();
        lots.sort_unstable();
        lots.dedup();
        let lots = entity::lock_lots(database, transaction, writer.actor, &lots).await?;
        let mut models: Vec<ModelId> = lots.values().map(|lot| lot.model).collect();
        models.sort_unstable();
        models.dedup();
        let models = supply::entity::find(database, transaction, &models).await?;
        Ok(Self {
            actor: writer.actor,
            draft,
            lots,
            models: models.into_iter().map(|model| (model.id, model)).collect(),
            allocated: entity::allocations_of(database, transaction, &facilities).await?,
            ended: Vec::new(),
            heirs: Vec::new(),
            changed: Vec::new(),
            rows: Vec::with_capacity(rows.len()),
        })
    }

    /// Checks a row and takes it.
    fn take(&mut self, index: usize, way: Way, row: &AllocationRow) -> Result<(), Vec<Problem>> {
        let one = |problem: milestone::Problem| vec![Problem::from(problem)];
        let Some(lot) = self.lots.get(&row.lot) else {
            return Err(vec![Problem::NoLot]);
        };
        if !may_for(self.actor, lot.buyer) {
            return Err(vec![Problem::Forbidden]);
        }
        let facility = row.facility.clone().map_err(one)?;
        let milestone = procured(lot.class);
        let there = self
            .allocated
            .iter()
            .position(|one| one.lot == row.lot && one.facility == facility);
        // What is one's own comes back from a facility that went to somebody else, too.
        let working = match (way, there) {
            (Way::Back, Some(_)) => self.draft.get(facility).ok_or(milestone::Problem::NotFound),
            _ => self.draft.find(facility),
        };
        let working = working.map_err(one)?;
        let may = self.draft.may(working, Topic::Milestone(milestone));
        if !may && (way == Way::Out || there.is_none()) {
            return Err(one(milestone::Problem::Forbidden));
        }
        let mut problems = Vec::new();
        problems.extend(bad_day(row.on, lot.received_on, self.draft.today));
        problems.extend(check_note(row.note.as_deref()).map(Problem::Facility));
        let held = there.and_then(|place| self.allocated.get(place)).copied();
        problems.extend(match way {
            Way::Out => self.check_out(working, lot, held, row),
            Way::Back => check_back(held, row),
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let current = &working.after().current;
        let is_reached = current.reached(milestone).is_some();
        let is_open = current.closed_on.is_none_or(|closed_on| row.on < closed_on);
        let heir = self.allocated.iter().enumerate().position(|(place, one)| {
            Some(place) != there && one.facility == facility && one.class == lot.class
        });
        let step = match way {
            Way::Out if !is_reached => Some(Step::Record {
                milestone,
                on: row.on,
                imply_earlier: false,
            }),
            // Only what it reached by these units, and no other one stands for.
            Way::Back if is_reached && is_open && may && heir.is_none() => {
                held.filter(|held| held.reached).map(|_| Step::Withdraw {
                    milestone,
                    on: row.on,
                    with_later: false,
                })
            }
            _ => None,
        };
        let reached = matches!(step, Some(Step::Record { .. }));
        if let Some(step) = step {
            let said = self.draft.attempt(working, &step, row.note.as_ref());
            let said = said.map_err(one)?;
            self.draft.take(facility, said, index);
        }
        // Its history tells of it: a change that does can't be undone but by taking the units back.
        let event = Event::set(Aspect::Allocation, row.on, None).with_note(row.note.clone());
        let working = self
            .draft
            .get(facility)
            .ok_or_else(|| one(milestone::Problem::NotFound))?;
        let told = Taken::of(working, vec![event]).map_err(|broken| one(broken.into()))?;
        self.draft.take(facility, told, index);
        match way {
            Way::Out => self.give(facility, row, there, reached),
            Way::Back => self.take_back(row, there, heir),
        }
        self.changed.push(row.lot);
        Ok(())
    }

    /// What is wrong with units for a facility.
    fn check_out(
        &self,
        working: &Working,
        lot: &Lot,
        held: Option<Allocation>,
        row: &AllocationRow,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let from = lot.stock_since;
        if row.on >= lot.received_on && row.on < from {
            problems.push(Problem::TooEarly { from });
        }
        let holds = held.map_or(0, |held| held.quantity);
        let most = lot.in_stock().min(MOST_FOR_ONE - holds);
        if !(1..=most).contains(&row.quantity) {
            problems.push(Problem::BadQuantity { most });
        }
        let current = &working.after().current;
        let model = self.models.get(&lot.model);
        if model.is_none_or(|model| !model.entry.kinds.contains(&current.cell.kind)) {
            problems.push(Problem::DoesNotFit);
        }
        let opened_on = current.opened_on;
        if row.on < opened_on {
            problems.push(milestone::Problem::BeforeOpening { opened_on }.into());
        }
        if let Some(closed_on) = current.closed_on.filter(|closed_on| *closed_on <= row.on) {
            problems.push(milestone::Problem::AfterClosing { closed_on }.into());
        }
        problems
    }

    /// Gives a facility units, beside those of the lot that it has.
    fn give(
        &mut self,
        facility: FacilityId,
        row: &AllocationRow,
        there: Option<usize>,
        reached: bool,
    ) {
        let Some(lot) = self.lots.get_mut(&row.lot) else {
            return;
        };
        lot.allocated += row.quantity;
        let mut given = Allocation {
            id: 0,
            lot: row.lot,
            facility,
            class: lot.class,
            quantity: row.quantity,
            on: row.on,
            reached,
        };
        if let Some(held) = there.map(|place| self.allocated.remove(place)) {
            given.quantity += held.quantity;
            given.on = held.on;
            given.reached |= held.reached;
            self.end(held.id, row.on);
        }
        self.allocated.push(given);
    }

    /// Takes all units of a lot back that a facility has.
    fn take_back(&mut self, row: &AllocationRow, there: Option<usize>, heir: Option<usize>) {
        let (Some(lot), Some(place)) = (self.lots.get_mut(&row.lot), there) else {
            return;
        };
        let held = self.allocated.get(place).copied();
        let Some(held) = held else { return };
        lot.allocated -= held.quantity;
        // They were elsewhere until then.
        lot.stock_since = lot.stock_since.max(row.on);
        if let Some(heir) = heir.and_then(|heir| self.allocated.get_mut(heir))
            && held.reached
            && !heir.reached
        {
            heir.reached = true;
            if heir.id != 0 {
                self.heirs.push(heir.id);
            }
        }
        self.allocated.remove(place);
        self.end(held.id, row.on);
    }

    /// Ends an allocation, if it is written.
    fn end(&mut self, id: i64, on: NaiveDate) {
        if id != 0 {
            self.ended.push((id, on));
        }
    }

    fn tell(&mut self, row: &AllocationRow, taken: Result<(), Vec<Problem>>) {
        let facility = row.facility.as_ref().ok().copied();
        let outcome = AllocationRowOutcome {
            lot: Some(row.lot).filter(|id| self.lots.contains_key(id)),
            facility: facility.filter(|id| self.draft.find(*id).is_ok()),
            written: taken.is_ok(),
            problems: taken.err().unwrap_or_default(),
        };
        self.rows.push(outcome);
    }

    fn in_name_of(&self) -> Option<OrganisationId> {
        let changed: Vec<&Lot> = self
            .changed
            .iter()
            .filter_map(|id| self.lots.get(id))
            .collect();
        self.actor
            .acting_over(Permission::OrderWrite, &changed, |grant, lot| {
                is_staff(grant.kind) || grant.organisation == lot.buyer
            })
    }

    async fn write(
        &self,
        writer: &Writer<'_>,
        transaction: &Transaction,
        change: ChangeId,
    ) -> Result<(), DbErr> {
        let mut changed = self.changed.clone();
        changed.sort_unstable();
        changed.dedup();
        let lots: Vec<&Lot> = changed.iter().filter_map(|id| self.lots.get(id)).collect();
        entity::update_lots(transaction, change, &lots).await?;
        // Those that end make room for those that come.
        entity::end_allocations(writer.database, transaction, change, &self.ended).await?;
        entity::inherit(writer.database, transaction, &self.heirs).await?;
        let new: Vec<Allocation> = self
            .allocated
            .iter()
            .filter(|one| one.id == 0)
            .copied()
            .collect();
        entity::insert_allocations(transaction, change, &new).await
    }
}

/// What is wrong with units that come back.
fn check_back(held: Option<Allocation>, row: &AllocationRow) -> Vec<Problem> {
    match held {
        None => vec![Problem::NotAllocated],
        Some(held) if row.on < held.on => vec![Problem::TooEarly { from: held.on }],
        Some(_) => Vec::new(),
    }
}

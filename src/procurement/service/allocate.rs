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
        service::{Draft, ErrorPolicy, Step, Taken, commit},
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
        let working = self.draft.find(facility).map_err(one)?;
        let milestone = procured(lot.class);
        if !self.draft.may(working, Topic::Milestone(milestone)) {
            return Err(one(milestone::Problem::Forbidden));
        }
        let mut problems = Vec::new();
        problems.extend(bad_day(row.on, lot.received_on, self.draft.today));
        problems.extend(check_note(row.note.as_deref()).map(Problem::Facility));
        let there = self
            .allocated
            .iter()
            .position(|one| one.lot == row.lot && one.facility == facility);
        match way {
            Way::Out => {
                let most = lot.in_stock().min(MOST_FOR_ONE);
                if !(1..=most).contains(&row.quantity) {
                    problems.push(Problem::BadQuantity { most });
                }
                let kind = working.after().current.cell.kind;
                let model = self.models.get(&lot.model);
                if model.is_none_or(|model| !model.entry.kinds.contains(&kind)) {
                    problems.push(Problem::DoesNotFit);
                }
                if there.is_some() {
                    // All that a facility has of a lot goes in one row, and back in one.
                    problems.push(Problem::NothingToDo);
                }
            }
            Way::Back => {
                let since = there.and_then(|place| self.allocated.get(place));
                match since {
                    None => problems.push(Problem::NotAllocated),
                    Some(since) if row.on < since.on => {
                        problems.push(Problem::TooEarly { from: since.on });
                    }
                    Some(_) => {}
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let reached = working.after().current.reached(milestone).is_some();
        let others = self.allocated.iter().enumerate().any(|(place, one)| {
            Some(place) != there && one.facility == facility && one.class == lot.class
        });
        let step = match way {
            Way::Out if !reached => Some(Step::Record {
                milestone,
                on: row.on,
                imply_earlier: false,
            }),
            Way::Back if reached && !others => Some(Step::Withdraw {
                milestone,
                on: row.on,
                with_later: false,
            }),
            _ => None,
        };
        if let Some(step) = step {
            let said = self.draft.attempt(working, &step, row.note.as_ref());
            let said = said.map_err(one)?;
            self.draft.take(facility, said, index);
        }
        // Its history tells of it: a change that does can't be undone but by taking the units back.
        let event = Event::set(Aspect::Allocation, row.on, None).with_note(row.note.clone());
        let working = self.draft.find(facility).map_err(one)?;
        let told = Taken::of(working, vec![event]).map_err(|broken| one(broken.into()))?;
        self.draft.take(facility, told, index);
        self.apply(way, facility, row, there);
        Ok(())
    }

    /// Does what was checked.
    fn apply(&mut self, way: Way, facility: FacilityId, row: &AllocationRow, there: Option<usize>) {
        let Some(lot) = self.lots.get_mut(&row.lot) else {
            return;
        };
        match way {
            Way::Out => {
                lot.allocated += row.quantity;
                self.allocated.push(Allocation {
                    id: 0,
                    lot: row.lot,
                    facility,
                    class: lot.class,
                    quantity: row.quantity,
                    on: row.on,
                });
            }
            Way::Back => {
                if let Some(place) = there {
                    let ended = self.allocated.remove(place);
                    lot.allocated -= ended.quantity;
                    self.ended.push((ended.id, row.on));
                }
            }
        }
        self.changed.push(row.lot);
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
        let new: Vec<Allocation> = self
            .allocated
            .iter()
            .filter(|one| one.id == 0)
            .copied()
            .collect();
        entity::insert_allocations(transaction, change, &new).await
    }
}

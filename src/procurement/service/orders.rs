//! Placing orders, and recording what happens to them.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{is_staff, may_for};
use crate::{
    auth::{Actor, Identity, OrganisationKind, Permission, entity::names::kinships},
    change::{self, WriteError, Writer},
    db::{ChangeId, DbErr, FacilityId, OrganisationId, Transaction},
    facility::FacilityKind,
    milestone::{
        self, check_note,
        service::{EARLIEST, ErrorPolicy},
    },
    procurement::{
        Lot, LotId, Order, OrderId, OrderProblem as Problem, OrderStep,
        entity::orders::{self as entity, StepRow},
    },
    supply::{self, Model, ModelId},
};

/// Most units of an order.
pub const MOST_UNITS: i32 = 100_000;
/// Most yen that a unit costs.
pub const MOST_PRICE: i32 = 10_000_000;
/// Most facilities that an order is placed for.
pub const MOST_FACILITIES: usize = 5_000;

/// An order to be placed.
#[derive(Clone, Debug, Serialize)]
pub struct PlaceRequest {
    /// Who orders.
    pub buyer: OrganisationId,
    /// Which model.
    pub model: ModelId,
    /// How many units.
    pub quantity: i32,
    /// What one costs, in yen.
    pub unit_price: Option<i32>,
    /// On which day.
    pub ordered_on: NaiveDate,
    /// The day for which it is promised, if it is.
    pub promised_on: Option<NaiveDate>,
    /// For which facilities, or why there is none.
    pub facilities: Vec<Result<FacilityId, milestone::Problem>>,
}

/// What became of an order that was to be placed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOutcome {
    /// The order; `None` if nothing was written.
    pub order: Option<OrderId>,
    /// The change that recorded it.
    pub change: Option<ChangeId>,
    /// What is wrong, and where in the input.
    pub problems: Vec<(Vec<String>, Problem)>,
}

/// Places an order, or answers as the first time if that was done before under the same key.
pub async fn place(
    writer: &Writer<'_>,
    request: &PlaceRequest,
) -> Result<PlaceOutcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let found = supply::entity::find(writer.database, &transaction, &[request.model]).await?;
    let model = found.first();
    let mut problems = slips(request, model, writer.clock.today());
    let in_name_of = buyer(writer.actor, &transaction, request.buyer).await?;
    if in_name_of.is_none() {
        problems.push((at("buyerId"), Problem::UnknownBuyer));
    }
    let facilities: Vec<FacilityId> = request.facilities.iter().flatten().copied().collect();
    if let Some(model) = model {
        let scope = writer.actor.scope(Permission::FacilityRead);
        let kinds = entity::kinds_of(writer.database, &transaction, &scope, &facilities).await?;
        for (position, facility) in request.facilities.iter().enumerate() {
            let Ok(facility) = facility else { continue };
            // An id names whatever it names: who can't see it is told that there is none.
            let wrong = match kinds.get(facility) {
                None => Some(milestone::Problem::NotFound.into()),
                Some(kind) if !model.entry.kinds.contains(kind) => Some(Problem::DoesNotFit),
                Some(_) => None,
            };
            problems.extend(wrong.map(|wrong| (at_facility(position), wrong)));
        }
    }
    let mut outcome = PlaceOutcome {
        problems,
        ..PlaceOutcome::default()
    };
    let (Some(in_name_of), Some(model)) = (in_name_of, model) else {
        return writer.refuse(transaction, outcome).await;
    };
    if !outcome.problems.is_empty() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let order = Order {
        id: OrderId(0),
        buyer: request.buyer,
        supplier: model.supplier.id,
        model: request.model,
        ordered: request.model,
        quantity: request.quantity,
        delivered: 0,
        cancelled: 0,
        unit_price: request.unit_price,
        ordered_on: request.ordered_on,
        promised_on: request.promised_on,
        version: 1,
    };
    let operation = "hardwareOrderPlace";
    let change = change::record(&transaction, writer, in_name_of, operation).await?;
    let id = entity::insert_order(&transaction, change, &order, &facilities).await?;
    if request.promised_on.is_some() {
        let promise = StepRow {
            order: id,
            step: OrderStep::Promise {
                until: request.promised_on,
            },
            on: request.ordered_on,
            note: None,
        };
        entity::insert_steps(&transaction, change, &[promise]).await?;
    }
    outcome.order = Some(id);
    outcome.change = Some(change);
    writer.finish(transaction, outcome).await
}

fn at(field: &str) -> Vec<String> {
    vec![field.to_owned()]
}

fn at_facility(position: usize) -> Vec<String> {
    vec!["facilities".to_owned(), position.to_string()]
}

/// What is wrong with an order by itself.
fn slips(
    request: &PlaceRequest,
    model: Option<&Model>,
    today: NaiveDate,
) -> Vec<(Vec<String>, Problem)> {
    let mut slips = Vec::new();
    if !(1..=MOST_UNITS).contains(&request.quantity) {
        slips.push((at("quantity"), Problem::BadQuantity { most: MOST_UNITS }));
    }
    let price = request.unit_price;
    if price.is_some_and(|price| !(0..=MOST_PRICE).contains(&price)) {
        slips.push((at("unitPrice"), Problem::BadPrice));
    }
    slips.extend(bad_day(request.ordered_on, EARLIEST, today).map(|bad| (at("orderedOn"), bad)));
    if request
        .promised_on
        .is_some_and(|day| day < request.ordered_on)
    {
        let from = request.ordered_on;
        slips.push((at("promisedOn"), Problem::TooEarly { from }));
    }
    match model {
        None => slips.push((at("modelId"), Problem::NoModel)),
        Some(model) => {
            let gone = model.entry.discontinued_on;
            if let Some(since) = gone.filter(|since| *since <= request.ordered_on) {
                slips.push((at("modelId"), Problem::Discontinued { since }));
            }
        }
    }
    let mut seen: Vec<FacilityId> = request.facilities.iter().flatten().copied().collect();
    let named = seen.len();
    seen.sort_unstable();
    seen.dedup();
    if request.facilities.len() > MOST_FACILITIES || seen.len() < named {
        let most = MOST_FACILITIES;
        slips.push((at("facilities"), Problem::BadFacilities { most }));
    }
    for (position, facility) in request.facilities.iter().enumerate() {
        if let Err(problem) = facility {
            slips.push((at_facility(position), problem.clone().into()));
        }
    }
    slips
}

/// What is wrong with the day of something that happened.
pub(super) fn bad_day(on: NaiveDate, from: NaiveDate, today: NaiveDate) -> Option<Problem> {
    if on > today {
        return Some(Problem::InFuture { today });
    }
    (on < from).then_some(Problem::TooEarly { from })
}

/// In whose name the actor orders for a buyer: the buyer's own, or that of staff who order for everyone. `None` if the actor
/// may not, or there is no such buyer; `Some(None)` for the operator.
async fn buyer(
    actor: &Actor,
    transaction: &Transaction,
    buyer: OrganisationId,
) -> Result<Option<Option<OrganisationId>>, DbErr> {
    use OrganisationKind as Kind;
    let kinds = kinships(transaction, &[buyer]).await?;
    let is_buyer = kinds.get(&buyer).is_some_and(|one| {
        matches!(
            one.kind,
            Kind::Vendor
                | Kind::SupportContractor
                | Kind::Chain
                | Kind::Corporation
                | Kind::Facility
        )
    });
    if !is_buyer {
        return Ok(None);
    }
    if actor.identity == Identity::System {
        return Ok(Some(None));
    }
    let mut grants = actor.grants_with(Permission::OrderWrite);
    let found = grants.find(|grant| grant.organisation == buyer || is_staff(grant.kind));
    Ok(found.map(|grant| Some(grant.organisation)))
}

/// One row of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRow {
    /// Which order.
    pub order: OrderId,
    /// What happened, or what is wrong with how it was told.
    pub step: Result<OrderStep, Problem>,
    /// On which day.
    pub on: NaiveDate,
    /// The version that the caller read.
    pub expected_version: Option<i32>,
    /// A remark.
    pub note: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutcome {
    /// The order, if the caller sees it.
    pub order: Option<OrderId>,
    /// The version that the write left, or, if it was only tried, would leave. `None` if nothing is written for this row.
    pub version: Option<i32>,
    /// Why it was refused.
    pub problems: Vec<Problem>,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The change that recorded it, if anything was written.
    pub change: Option<ChangeId>,
    /// Row by row, in input order.
    pub rows: Vec<RowOutcome>,
}

/// The orders of a request while its rows are taken one by one.
struct Request<'a> {
    actor: &'a Actor,
    today: NaiveDate,
    orders: BTreeMap<OrderId, (Order, bool)>,
    lots: BTreeMap<LotId, (Lot, bool)>,
    models: BTreeMap<ModelId, Model>,
    /// For which kinds of facility the orders are placed that are to be substituted.
    kinds: HashMap<OrderId, Vec<FacilityKind>>,
    arrived: Vec<Lot>,
    steps: Vec<StepRow>,
    rows: Vec<RowOutcome>,
}

/// Records what happened to orders in one transaction, by the error policy, or answers as the first time if that was done
/// before under the same key.
pub async fn record_orders(
    writer: &Writer<'_>,
    rows: &[OrderRow],
    policy: ErrorPolicy,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let mut request = Request::read(writer, &transaction, rows).await?;
    for row in rows {
        let problems = request.take(row).err().unwrap_or_default();
        request.rows.push(RowOutcome {
            order: Some(row.order).filter(|id| request.orders.contains_key(id)),
            version: None,
            problems,
        });
    }
    let refused = request.rows.iter().any(|row| !row.problems.is_empty());
    let nothing = refused && policy == ErrorPolicy::RejectAll || request.steps.is_empty();
    if nothing || writer.dry_run {
        let outcome = request.into_outcome(None, nothing);
        return writer.refuse(transaction, outcome).await;
    }
    let operation = "hardwareOrderRecord";
    let in_name_of = request.in_name_of();
    let change = change::record(&transaction, writer, in_name_of, operation).await?;
    request.write(&transaction, change).await?;
    let outcome = request.into_outcome(Some(change), false);
    writer.finish(transaction, outcome).await
}

impl<'a> Request<'a> {
    async fn read(
        writer: &Writer<'a>,
        transaction: &Transaction,
        rows: &[OrderRow],
    ) -> Result<Self, DbErr> {
        let database = writer.database;
        let mut ids: Vec<OrderId> = rows.iter().map(|row| row.order).collect();
        ids.sort_unstable();
        ids.dedup();
        let orders = entity::lock_orders(database, transaction, writer.actor, &ids).await?;
        let steps = || rows.iter().filter_map(|row| row.step.as_ref().ok());
        let lots = steps().filter_map(|step| match step {
            OrderStep::Return { lot, .. } => Some(*lot),
            _ => None,
        });
        let mut lots: Vec<LotId> = lots.collect();
        lots.sort_unstable();
        lots.dedup();
        let lots = entity::lock_lots(database, transaction, writer.actor, &lots).await?;
        let mut models: Vec<ModelId> = orders.values().map(|order| order.model).collect();
        models.extend(steps().filter_map(|step| match step {
            OrderStep::Substitute { model } => Some(*model),
            _ => None,
        }));
        models.sort_unstable();
        models.dedup();
        let models = supply::entity::find(database, transaction, &models).await?;
        let substituted = rows.iter().filter(|row| {
            let step = row.step.as_ref();
            step.is_ok_and(|step| matches!(step, OrderStep::Substitute { .. }))
        });
        let substituted: Vec<OrderId> = substituted
            .map(|row| row.order)
            .filter(|order| orders.contains_key(order))
            .collect();
        let kinds = entity::kinds_ordered_for(database, transaction, &substituted).await?;
        Ok(Self {
            kinds,
            actor: writer.actor,
            today: writer.clock.today(),
            orders: orders
                .into_iter()
                .map(|(id, order)| (id, (order, false)))
                .collect(),
            lots: lots
                .into_iter()
                .map(|(id, lot)| (id, (lot, false)))
                .collect(),
            models: models.into_iter().map(|model| (model.id, model)).collect(),
            arrived: Vec::new(),
            steps: Vec::new(),
            rows: Vec::with_capacity(rows.len()),
        })
    }

    /// Checks a row and takes its step.
    fn take(&mut self, row: &OrderRow) -> Result<(), Vec<Problem>> {
        let (order, changed) = self
            .orders
            .get(&row.order)
            .ok_or_else(|| vec![Problem::NoOrder])?;
        let step = row.step.as_ref().map_err(|wrong| vec![wrong.clone()])?;
        let ours = may_for(self.actor, order.buyer);
        let may = match step {
            // What goes back is the buyer's.
            OrderStep::Return { .. } => ours,
            _ => ours || may_for(self.actor, order.supplier),
        };
        if !may {
            return Err(vec![Problem::Forbidden]);
        }
        let mut problems = Vec::new();
        // As it was before the request.
        let current = order.version - i32::from(*changed);
        if row
            .expected_version
            .is_some_and(|expected| expected != current)
        {
            problems.push(Problem::StaleVersion { current });
        }
        problems.extend(bad_day(row.on, order.ordered_on, self.today));
        let note = check_note(row.note.as_deref());
        problems.extend(note.map(Problem::Facility));
        problems.extend(self.check(order, step, row.on));
        if !problems.is_empty() {
            return Err(problems);
        }
        self.apply(row, step);
        Ok(())
    }

    fn check(&self, order: &Order, step: &OrderStep, on: NaiveDate) -> Option<Problem> {
        let some = |quantity: i32, most: i32| {
            let bad = !(1..=most).contains(&quantity);
            bad.then_some(Problem::BadQuantity { most })
        };
        match *step {
            OrderStep::Promise { until } if until == order.promised_on || order.open() == 0 => {
                Some(Problem::NothingToDo)
            }
            OrderStep::Promise { until } => until
                .filter(|day| *day < on)
                .map(|_| Problem::PromiseInPast { on }),
            OrderStep::Substitute { model } if model == order.model || order.open() == 0 => {
                Some(Problem::NothingToDo)
            }
            OrderStep::Substitute { model } => {
                let Some(found) = self.models.get(&model) else {
                    return Some(Problem::NoModel);
                };
                let entry = &found.entry;
                let ordered = self.models.get(&order.model);
                let placed_for = self.kinds.get(&order.id);
                let fits = ordered.is_none_or(|one| one.entry.class == entry.class)
                    && found.supplier.id == order.supplier
                    && placed_for
                        .is_none_or(|kinds| kinds.iter().all(|kind| entry.kinds.contains(kind)));
                if !fits {
                    return Some(Problem::DoesNotFit);
                }
                let gone = entry.discontinued_on.filter(|since| *since <= on);
                gone.map(|since| Problem::Discontinued { since })
            }
            OrderStep::Deliver { quantity } | OrderStep::Cancel { quantity } => {
                some(quantity, order.open())
            }
            OrderStep::Return { lot, quantity } => {
                let Some((lot, _)) = self.lots.get(&lot).filter(|(lot, _)| lot.order == order.id)
                else {
                    return Some(Problem::NoLot);
                };
                let from = lot.stock_since;
                let early = (on < from).then_some(Problem::TooEarly { from });
                early.or_else(|| some(quantity, lot.in_stock()))
            }
        }
    }

    /// Does what was checked.
    fn apply(&mut self, row: &OrderRow, step: &OrderStep) {
        let Some((order, changed)) = self.orders.get_mut(&row.order) else {
            return;
        };
        if !*changed {
            order.version += 1;
            *changed = true;
        }
        match *step {
            OrderStep::Promise { until } => order.promised_on = until,
            OrderStep::Substitute { model } => order.model = model,
            OrderStep::Cancel { quantity } => order.cancelled += quantity,
            OrderStep::Deliver { quantity } => {
                order.delivered += quantity;
                if let Some(model) = self.models.get(&order.model) {
                    self.arrived.push(Lot {
                        id: LotId(0),
                        order: order.id,
                        buyer: order.buyer,
                        model: order.model,
                        class: model.entry.class,
                        quantity,
                        allocated: 0,
                        returned: 0,
                        received_on: row.on,
                        stock_since: row.on,
                    });
                }
            }
            OrderStep::Return { lot, quantity } => {
                if let Some((lot, changed)) = self.lots.get_mut(&lot) {
                    lot.returned += quantity;
                    *changed = true;
                }
            }
        }
        self.steps.push(StepRow {
            order: row.order,
            step: *step,
            on: row.on,
            note: row.note.clone(),
        });
    }

    /// The first organisation of the actor's that stands on a side of every order that changes.
    fn in_name_of(&self) -> Option<OrganisationId> {
        let changed: Vec<&Order> = self
            .orders
            .values()
            .filter(|(_, changed)| *changed)
            .map(|(order, _)| order)
            .collect();
        self.actor
            .acting_over(Permission::OrderWrite, &changed, |grant, order| {
                is_staff(grant.kind) || [order.buyer, order.supplier].contains(&grant.organisation)
            })
    }

    async fn write(&self, transaction: &Transaction, change: ChangeId) -> Result<(), DbErr> {
        let changed = self.orders.values().filter(|(_, changed)| *changed);
        let orders: Vec<&Order> = changed.map(|(order, _)| order).collect();
        entity::update_orders(transaction, change, &orders).await?;
        let changed = self.lots.values().filter(|(_, changed)| *changed);
        let lots: Vec<&Lot> = changed.map(|(lot, _)| lot).collect();
        entity::update_lots(transaction, change, &lots).await?;
        entity::insert_lots(transaction, change, &self.arrived).await?;
        entity::insert_steps(transaction, change, &self.steps).await
    }

    fn into_outcome(self, change: Option<ChangeId>, nothing_written: bool) -> Outcome {
        let orders = &self.orders;
        let rows = self.rows.into_iter().map(|mut row| {
            let order = row.order.and_then(|id| orders.get(&id));
            let written = !nothing_written && row.problems.is_empty();
            row.version = order.map(|(order, _)| order.version).filter(|_| written);
            row
        });
        Outcome {
            change,
            rows: rows.collect(),
        }
    }
}

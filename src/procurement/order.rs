//! Orders of hardware, what arrived of them, and to whom it went.
//!
//! What was ordered has been delivered, is open or was cancelled; what was received is allocated to facilities, in stock or
//! returned. Each delivery is a lot, from which units go to facilities or back, so that no unit is in two places.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    auth::Language,
    db::OrganisationId,
    milestone::{self, Milestone},
    supply::{HardwareClass, ModelId},
};

/// A row of `hardware_order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderId(pub i64);

/// A row of `hardware_lot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LotId(pub i64);

/// The milestone that a facility reaches with a unit of hardware.
pub const fn procured(class: HardwareClass) -> Milestone {
    match class {
        HardwareClass::Reader => Milestone::ReaderDelivered,
        HardwareClass::Pc => Milestone::PcProcured,
        HardwareClass::Router => Milestone::RouterProcured,
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its row; 0 for one that is not written yet.
    pub id: OrderId,
    /// Who orders.
    pub buyer: OrganisationId,
    /// From whom.
    pub supplier: OrganisationId,
    /// Which model what is open of it is of.
    pub model: ModelId,
    /// Which model was ordered.
    pub ordered: ModelId,
    /// How many units.
    pub quantity: i32,
    /// How many were delivered.
    pub delivered: i32,
    /// How many were cancelled.
    pub cancelled: i32,
    /// The price of a unit in yen, if it was told.
    pub unit_price: Option<i32>,
    /// On which day it was placed.
    pub ordered_on: NaiveDate,
    /// The day for which the rest is promised; `None` while its date is undetermined.
    pub promised_on: Option<NaiveDate>,
    /// Counts up with every change.
    pub version: i32,
}

impl Order {
    /// How many units are still to come.
    pub fn open(&self) -> i32 {
        self.quantity - self.delivered - self.cancelled
    }
}

/// Units that were delivered together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its row.
    pub id: LotId,
    /// Of which order.
    pub order: OrderId,
    /// Whose.
    pub buyer: OrganisationId,
    /// Of which model.
    pub model: ModelId,
    /// What it is.
    pub class: HardwareClass,
    /// How many units arrived.
    pub quantity: i32,
    /// How many of them are allocated to facilities.
    pub allocated: i32,
    /// How many of them went back.
    pub returned: i32,
    /// On which day they arrived.
    pub received_on: NaiveDate,
    /// Since which day everything is in stock that is: none of it was elsewhere then.
    pub stock_since: NaiveDate,
}

impl Lot {
    /// How many units are neither allocated nor returned.
    pub fn in_stock(&self) -> i32 {
        self.quantity - self.allocated - self.returned
    }
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderStep {
    /// What is open is promised for a day, or its date is undetermined.
    Promise {
        /// Which day.
        until: Option<NaiveDate>,
    },
    /// What is open is delivered as another model.
    Substitute {
        /// Which.
        model: ModelId,
    },
    /// Units arrive.
    Deliver {
        /// How many.
        quantity: i32,
    },
    /// Units that are open will not come.
    Cancel {
        /// How many.
        quantity: i32,
    },
    /// Units of a lot go back.
    Return {
        /// Of which lot.
        lot: LotId,
        /// How many.
        quantity: i32,
    },
}

impl OrderStep {
    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Promise { .. } => 0,
            Self::Substitute { .. } => 1,
            Self::Deliver { .. } => 2,
            Self::Cancel { .. } => 3,
            Self::Return { .. } => 4,
        }
    }
}

/// What a caller could expect to go wrong with an order, a lot or an allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderProblem {
    /// Of the facility or its history.
    Facility(milestone::Problem),
    /// No such order among those that the caller sees.
    NoOrder,
    /// No such lot among the caller's.
    NoLot,
    /// No such buyer, or not one in whose name the caller orders.
    UnknownBuyer,
    /// No such model.
    NoModel,
    /// The model is no longer made.
    Discontinued {
        /// Since when.
        since: NaiveDate,
    },
    /// The model is none for this: of another class than what was ordered, or not made for the facility.
    DoesNotFit,
    /// The other side of the order takes this step.
    Forbidden,
    /// A number of units that can't be.
    BadQuantity {
        /// The most.
        most: i32,
    },
    /// A price that can't be.
    BadPrice,
    /// Before the order was placed, or the units arrived.
    TooEarly {
        /// The first possible day.
        from: NaiveDate,
    },
    /// Not yet.
    InFuture {
        /// Today.
        today: NaiveDate,
    },
    /// A promise for a day before the one on which it is made.
    PromiseInPast {
        /// That day.
        on: NaiveDate,
    },
    /// The order was changed since the caller read it.
    StaleVersion {
        /// The version now.
        current: i32,
    },
    /// What it says is so already.
    NothingToDo,
    /// Nothing of the hardware is allocated to the facility from this lot.
    NotAllocated,
    /// More facilities than a request may name, or the same twice.
    BadFacilities {
        /// The most.
        most: usize,
    },
    /// This field is needed for this step.
    Missing {
        /// Which.
        field: String,
    },
}

impl From<milestone::Problem> for OrderProblem {
    fn from(problem: milestone::Problem) -> Self {
        Self::Facility(problem)
    }
}

impl OrderProblem {
    /// What the user reads.
    pub fn message(&self, language: Language) -> String {
        let (ja, en) = match self {
            Self::Facility(problem) => return problem.message(language),
            Self::NoOrder => told("発注が見つかりません。", "There is no such order."),
            Self::NoLot => told("入荷が見つかりません。", "There is no such lot."),
            Self::UnknownBuyer => told(
                "この組織の名義では発注できません。",
                "There is no such buyer in whose name you order.",
            ),
            Self::NoModel => told("機種が見つかりません。", "There is no such model."),
            Self::Discontinued { since } => (
                format!("この機種は{since}に販売を終了しました。"),
                format!("This model has not been made since {since}."),
            ),
            Self::DoesNotFit => told(
                "この機種は使用できません。",
                "This model is of another class, or not made for the facility.",
            ),
            Self::Forbidden => told(
                "この処理は発注の相手方が行います。",
                "The other side of the order takes this step.",
            ),
            Self::BadQuantity { most: ..=0 } => {
                told("残りの数量がありません。", "There is nothing left.")
            }
            Self::BadQuantity { most } => (
                format!("数量は1～{most}で入力してください。"),
                format!("1 to {most} units are possible here."),
            ),
            Self::BadPrice => told(
                "単価は0～10,000,000円で入力してください。",
                "A unit costs 0 to 10,000,000 yen.",
            ),
            Self::TooEarly { from } => (
                format!("{from}以降の日付を指定してください。"),
                format!("It can't be before {from}."),
            ),
            Self::InFuture { today } => (
                format!("本日（{today}）より後の日付は指定できません。"),
                format!("It can't be after today, {today}."),
            ),
            Self::PromiseInPast { on } => (
                format!("納期は{on}以降を指定してください。"),
                format!("What is promised on {on} is promised for that day or later."),
            ),
            Self::StaleVersion { current } => (
                format!(
                    "他の利用者が先に更新しました（現在の版：{current}）。読み直してください。"
                ),
                format!("Somebody changed it since you read it: its version is {current} now."),
            ),
            Self::NothingToDo => told("既にそのとおりです。", "It is so already."),
            Self::NotAllocated => told(
                "この入荷からこの施設への割当てはありません。",
                "Nothing of this lot is allocated to the facility.",
            ),
            Self::BadFacilities { most } => (
                format!("施設は重複なく{most}件まで指定できます。"),
                format!("At most {most} facilities, each once."),
            ),
            Self::Missing { .. } => told("入力してください。", "This is needed here."),
        };
        match language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}

fn told(ja: &str, en: &str) -> (String, String) {
    (ja.to_owned(), en.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ordered_is_delivered_open_or_cancelled() {
        let order = Order {
            id: OrderId(1),
            buyer: OrganisationId(1),
            supplier: OrganisationId(2),
            model: ModelId(3),
            ordered: ModelId(3),
            quantity: 10,
            delivered: 4,
            cancelled: 1,
            unit_price: None,
            ordered_on: NaiveDate::MIN,
            promised_on: None,
            version: 1,
        };
        assert_eq!(order.open(), 5);
    }
}

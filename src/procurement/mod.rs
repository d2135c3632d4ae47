//! Procurement: what a facility applies for and how far each application has come, and the orders by which vendors, chains
//! and facilities buy hardware, what arrived of them and to whom it went.
//!
//! A facility applies for card readers, for the use of the service, and for the certificate of its terminal. An application
//! is the sum of the steps that were recorded of it: nothing of it is overwritten, and a step that was a mistake is voided
//! by whoever undoes its change. What a step means for the facility's milestones is recorded in the same transaction: an
//! application for readers is READER_APPLIED, its cancellation withdraws that on its day, and a delivery is
//! READER_DELIVERED.

pub mod entity;
pub mod graphql;
mod order;
mod problem;
pub mod service;

use async_graphql::Enum;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use order::{Lot, LotId, Order, OrderId, OrderProblem, OrderStep, procured};
pub use problem::ApplicationProblem;

use crate::{facility::FacilityKind, milestone::Milestone, supply::ModelId};

/// What is applied for. Codes are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum ApplicationKind {
    /// Card readers (顔認証付きカードリーダー申込).
    Reader,
    /// The use of the service (利用申請).
    Use,
    /// The certificate of the terminal (電子証明書発行申請).
    Certificate,
}

impl ApplicationKind {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Use, Self::Certificate];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Reader => 0,
            Self::Use => 1,
            Self::Certificate => 2,
        }
    }

    /// The kind of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The steps from its beginning to its end. Real reports skip some of them.
    pub const fn way(self) -> &'static [ApplicationStep] {
        use ApplicationStep as Step;
        match self {
            Self::Reader => &[Step::Receive, Step::Accept, Step::Send, Step::Deliver],
            Self::Use => &[Step::Receive, Step::Accept],
            Self::Certificate => &[Step::Receive, Step::Accept, Step::Issue, Step::Send],
        }
    }

    /// May an application that stands there take this step? It goes on along its way, whose steps may be skipped; a
    /// certificate that was issued may be issued anew, and whatever has not come to its end may be cancelled, but for a
    /// certificate that was issued.
    pub fn may_take(self, status: ApplicationStatus, step: ApplicationStep) -> bool {
        use ApplicationStatus as Status;
        let issued = self == Self::Certificate && matches!(status, Status::Issued | Status::Sent);
        let place = |wanted: &dyn Fn(ApplicationStep) -> bool| {
            self.way().iter().position(|one| wanted(*one))
        };
        match step {
            ApplicationStep::Reissue => issued,
            ApplicationStep::Cancel => {
                !issued && matches!(status, Status::Received | Status::Accepted | Status::Sent)
            }
            step => {
                let stands = place(&|one| one.leaves() == status);
                let wanted = place(&|one| one == step);
                stands
                    .zip(wanted)
                    .is_some_and(|(stands, wanted)| wanted > stands)
            }
        }
    }
}

/// What happened to an application. Codes are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum ApplicationStep {
    /// It arrived (受付).
    Receive,
    /// It was found to be in order (確認済).
    Accept,
    /// A certificate was issued (発行).
    Issue,
    /// Readers were shipped, or the notice of a certificate was sent (発送).
    Send,
    /// Readers were delivered (納品).
    Deliver,
    /// A certificate was issued anew (再発行): it is issued again, and has yet to be sent.
    Reissue,
    /// It was cancelled (取下げ). Another may follow.
    Cancel,
}

impl ApplicationStep {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Receive,
        Self::Accept,
        Self::Issue,
        Self::Send,
        Self::Deliver,
        Self::Reissue,
        Self::Cancel,
    ];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Receive => 0,
            Self::Accept => 1,
            Self::Issue => 2,
            Self::Send => 3,
            Self::Deliver => 4,
            Self::Reissue => 5,
            Self::Cancel => 6,
        }
    }

    /// The step of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.code() == code)
    }

    /// Where it leaves the application.
    pub const fn leaves(self) -> ApplicationStatus {
        match self {
            Self::Receive => ApplicationStatus::Received,
            Self::Accept => ApplicationStatus::Accepted,
            Self::Issue | Self::Reissue => ApplicationStatus::Issued,
            Self::Send => ApplicationStatus::Sent,
            Self::Deliver => ApplicationStatus::Delivered,
            Self::Cancel => ApplicationStatus::Cancelled,
        }
    }

    /// The milestone whose recorders take this step of an application of a kind: those who apply, those who decide on
    /// applications, and those who take deliveries.
    pub const fn is_for(self, kind: ApplicationKind) -> Milestone {
        match (self, kind) {
            (Self::Receive | Self::Cancel, ApplicationKind::Reader) => Milestone::ReaderApplied,
            (Self::Receive | Self::Cancel, _) => Milestone::UseApplied,
            (Self::Deliver, _) => Milestone::ReaderDelivered,
            (Self::Accept | Self::Issue | Self::Send | Self::Reissue, _) => {
                Milestone::CertificateIssued
            }
        }
    }

    /// The milestone that a facility reaches by it.
    pub const fn reaches(self, kind: ApplicationKind) -> Option<Milestone> {
        match (kind, self) {
            (ApplicationKind::Reader, Self::Receive) => Some(Milestone::ReaderApplied),
            (ApplicationKind::Reader, Self::Deliver) => Some(Milestone::ReaderDelivered),
            (ApplicationKind::Use, Self::Receive) => Some(Milestone::UseApplied),
            // What was sent had been issued, whether that was told or not.
            (ApplicationKind::Certificate, Self::Issue | Self::Send) => {
                Some(Milestone::CertificateIssued)
            }
            _ => None,
        }
    }

    /// The milestone that a facility takes back by it.
    pub const fn takes_back(self, kind: ApplicationKind) -> Option<Milestone> {
        match (kind, self) {
            (ApplicationKind::Reader, Self::Cancel) => Some(Milestone::ReaderApplied),
            (ApplicationKind::Use, Self::Cancel) => Some(Milestone::UseApplied),
            _ => None,
        }
    }
}

/// How far an application has come. Codes are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Enum,
)]
pub enum ApplicationStatus {
    /// It arrived.
    Received,
    /// It is in order.
    Accepted,
    /// The certificate is issued.
    Issued,
    /// The readers are on their way, or the notice of the certificate is.
    Sent,
    /// The readers are there.
    Delivered,
    /// It is cancelled.
    Cancelled,
}

impl ApplicationStatus {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Received,
        Self::Accepted,
        Self::Issued,
        Self::Sent,
        Self::Delivered,
        Self::Cancelled,
    ];

    /// The stored code.
    pub const fn code(self) -> i16 {
        match self {
            Self::Received => 0,
            Self::Accepted => 1,
            Self::Issued => 2,
            Self::Sent => 3,
            Self::Delivered => 4,
            Self::Cancelled => 5,
        }
    }

    /// The status of a stored code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// What Japanese users read.
    pub const fn label_ja(self) -> &'static str {
        match self {
            Self::Received => "受付済",
            Self::Accepted => "確認済",
            Self::Issued => "発行済",
            Self::Sent => "発送済",
            Self::Delivered => "納品済",
            Self::Cancelled => "取下げ",
        }
    }

    /// In an English sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Issued => "issued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// Is nothing left to be done about an application of a kind? Another may follow then.
    pub fn ends(self, kind: ApplicationKind) -> bool {
        let last = kind.way().last().map(|step| step.leaves());
        self == Self::Cancelled || last == Some(self)
    }
}

/// How many readers of a facility of a kind are free of charge; what is more is bought. (Source: the Payment Fund's offer
/// of readers, by which a hospital has up to three and any other facility one.)
pub const fn free_readers(kind: FacilityKind) -> i32 {
    match kind {
        FacilityKind::Hospital => 3,
        FacilityKind::MedicalClinic | FacilityKind::DentalClinic | FacilityKind::Pharmacy => 1,
    }
}

/// A row of `application`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApplicationId(pub i64);

/// So many readers of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReaderLine {
    /// Which model.
    pub model: ModelId,
    /// How many of them free of charge.
    pub free: i32,
    /// How many of them are bought.
    pub bought: i32,
}

/// A step that was recorded and not voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTaken {
    /// Which.
    pub step: ApplicationStep,
    /// On which day.
    pub on: NaiveDate,
    /// Until when a certificate is valid that was issued by it.
    pub expires_on: Option<NaiveDate>,
    /// The facility reached a milestone by it, which it had not before.
    pub reached: bool,
}

/// Where an application stands after its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far it has come.
    pub status: ApplicationStatus,
    /// Since which day.
    pub since: NaiveDate,
    /// Until when the certificate is valid that was issued last.
    pub expires_on: Option<NaiveDate>,
}

impl Standing {
    /// After these steps, in the order in which they were recorded. Without any it never was: it stands cancelled on the
    /// day given.
    pub fn after(steps: &[StepTaken], otherwise: NaiveDate) -> Self {
        // What was sent had been issued, whether that was told or not.
        let issued = steps.iter().rev().find(|step| {
            matches!(step.step, ApplicationStep::Issue | ApplicationStep::Reissue)
                || step.expires_on.is_some()
        });
        let last = steps.last();
        Self {
            status: last.map_or(ApplicationStatus::Cancelled, |step| step.step.leaves()),
            since: last.map_or(otherwise, |step| step.on),
            expires_on: issued.and_then(|step| step.expires_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType;

    use super::*;

    #[test]
    fn every_kind_step_and_status_is_in_its_list_and_reads_back() {
        assert_eq!(ApplicationKind::ALL.len(), ApplicationKind::items().len());
        for kind in ApplicationKind::ALL {
            assert_eq!(ApplicationKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(ApplicationStep::ALL.len(), ApplicationStep::items().len());
        for step in ApplicationStep::ALL {
            assert_eq!(ApplicationStep::from_code(step.code()), Some(step));
        }
        assert_eq!(
            ApplicationStatus::ALL.len(),
            ApplicationStatus::items().len()
        );
        for status in ApplicationStatus::ALL {
            assert_eq!(ApplicationStatus::from_code(status.code()), Some(status));
        }
    }

    #[test]
    fn an_application_stands_where_its_last_step_left_it() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let step = |step, on: &str, expires: Option<&str>| StepTaken {
            step,
            on: day(on),
            expires_on: expires.map(day),
            reached: false,
        };
        let mut steps = vec![
            step(ApplicationStep::Receive, "2021-10-01", None),
            step(ApplicationStep::Issue, "2021-10-11", Some("2023-10-11")),
            step(ApplicationStep::Send, "2021-10-12", None),
        ];
        let stands = |steps: &[StepTaken]| {
            let standing = Standing::after(steps, day("2021-12-19"));
            (standing.status, standing.since, standing.expires_on)
        };
        let valid_until = Some(day("2023-10-11"));
        assert_eq!(
            stands(&steps),
            (ApplicationStatus::Sent, day("2021-10-12"), valid_until)
        );
        steps.push(step(
            ApplicationStep::Reissue,
            "2021-11-01",
            Some("2023-11-01"),
        ));
        let valid_until = Some(day("2023-11-01"));
        assert_eq!(
            stands(&steps),
            (ApplicationStatus::Issued, day("2021-11-01"), valid_until)
        );
        assert_eq!(
            stands(&[]),
            (ApplicationStatus::Cancelled, day("2021-12-19"), None)
        );
    }

    #[test]
    fn an_application_ends_with_the_last_step_of_its_way_or_cancelled() {
        use ApplicationStatus as Status;
        for (kind, last) in [
            (ApplicationKind::Reader, Status::Delivered),
            (ApplicationKind::Use, Status::Accepted),
            (ApplicationKind::Certificate, Status::Sent),
        ] {
            for status in Status::ALL {
                let ends = status == last || status == Status::Cancelled;
                assert_eq!(status.ends(kind), ends, "{kind:?} {status:?}");
            }
        }
    }

    #[test]
    fn an_application_goes_along_its_way_and_not_back() {
        use ApplicationKind as Kind;
        use ApplicationStatus as Status;
        use ApplicationStep as Step;
        for (kind, status, may) in [
            (
                Kind::Reader,
                Status::Received,
                &[Step::Accept, Step::Send, Step::Deliver, Step::Cancel][..],
            ),
            (
                Kind::Reader,
                Status::Accepted,
                &[Step::Send, Step::Deliver, Step::Cancel],
            ),
            (Kind::Reader, Status::Sent, &[Step::Deliver, Step::Cancel]),
            (Kind::Reader, Status::Delivered, &[]),
            (Kind::Reader, Status::Cancelled, &[]),
            (Kind::Use, Status::Received, &[Step::Accept, Step::Cancel]),
            (Kind::Use, Status::Accepted, &[Step::Cancel]),
            (
                Kind::Certificate,
                Status::Received,
                &[Step::Accept, Step::Issue, Step::Send, Step::Cancel],
            ),
            (
                Kind::Certificate,
                Status::Issued,
                &[Step::Send, Step::Reissue],
            ),
            (Kind::Certificate, Status::Sent, &[Step::Reissue]),
        ] {
            let may_be: Vec<Step> = Step::ALL
                .into_iter()
                .filter(|step| kind.may_take(status, *step))
                .collect();
            assert_eq!(may_be, may, "{kind:?} {status:?}");
        }
    }
}

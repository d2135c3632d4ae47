//! Where an application stands, in sentences: what a facility would otherwise call to ask.

use chrono::{Days, NaiveDate};

use crate::{
    auth::Language,
    procurement::{ApplicationKind, ApplicationStatus, Standing},
};

/// So many days before it expires a certificate is said to.
pub const DAYS_OF_NOTICE: u64 = 60;

/// Whether a certificate expires soon, or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It expires within [`DAYS_OF_NOTICE`].
    Soon(NaiveDate),
    /// It is not valid any more.
    Over(NaiveDate),
}

impl Expiry {
    /// Of an application that stands so. A certificate is valid on the day on which it expires.
    pub fn of(standing: &Standing, today: NaiveDate) -> Option<Self> {
        let until = standing.expires_on?;
        let issued = matches!(
            standing.status,
            ApplicationStatus::Issued | ApplicationStatus::Sent
        );
        if !issued {
            return None;
        }
        if until < today {
            return Some(Self::Over(until));
        }
        let notice = today.checked_add_days(Days::new(DAYS_OF_NOTICE))?;
        (until <= notice).then_some(Self::Soon(until))
    }
}

/// What was done, and what comes next; that a certificate expires only where a day is given.
pub fn explained(
    kind: ApplicationKind,
    standing: &Standing,
    today: Option<NaiveDate>,
    language: Language,
) -> String {
    let since = standing.since;
    let (ja, en) = sentences(kind, standing.status);
    let mut text = match language {
        Language::Ja => format!("{since} {ja}"),
        Language::En => format!("{en} ({since})."),
    };
    let expiry = today.and_then(|today| Expiry::of(standing, today));
    let expiry = match (expiry, language) {
        (None, _) => return text,
        (Some(Expiry::Soon(until)), Language::Ja) => {
            format!("証明書の有効期限は{until}です。期限までに再発行を申請してください。")
        }
        (Some(Expiry::Soon(until)), Language::En) => {
            format!(" The certificate expires on {until}: apply for a new one before that.")
        }
        (Some(Expiry::Over(until)), Language::Ja) => {
            format!("証明書の有効期限（{until}）が切れています。再発行を申請してください。")
        }
        (Some(Expiry::Over(until)), Language::En) => {
            format!(" The certificate expired on {until}: apply for a new one.")
        }
    };
    text.push_str(&expiry);
    text
}

fn sentences(kind: ApplicationKind, status: ApplicationStatus) -> (&'static str, &'static str) {
    use ApplicationKind as Kind;
    use ApplicationStatus as Status;
    match (kind, status) {
        (Kind::Reader, Status::Received) => (
            "顔認証付きカードリーダーの申込を受け付けました。内容の確認後、発送の準備に進みます。",
            "The application for card readers was received; it is checked, and then the readers are prepared",
        ),
        (Kind::Reader, Status::Accepted | Status::Issued) => (
            "顔認証付きカードリーダーの申込内容を確認しました。発送をお待ちください。",
            "The application for card readers is in order; the readers are yet to be shipped",
        ),
        (Kind::Reader, Status::Sent) => (
            "顔認証付きカードリーダーを発送しました。",
            "The card readers were shipped",
        ),
        (Kind::Reader, Status::Delivered) => (
            "顔認証付きカードリーダーが納品されました。",
            "The card readers were delivered",
        ),
        (Kind::Reader, Status::Cancelled) => (
            "顔認証付きカードリーダーの申込は取り下げられました。改めて申し込むことができます。",
            "The application for card readers was cancelled; you may apply again",
        ),
        (Kind::Use, Status::Received) => (
            "利用申請を受け付けました。確認をお待ちください。",
            "The application for use was received; it is yet to be checked",
        ),
        (Kind::Use, Status::Cancelled) => (
            "利用申請は取り下げられました。改めて申請することができます。",
            "The application for use was cancelled; you may apply again",
        ),
        (Kind::Use, _) => (
            "利用申請の確認が済みました。",
            "The application for use is in order",
        ),
        (Kind::Certificate, Status::Received) => (
            "電子証明書の発行申請を受け付けました。確認をお待ちください。",
            "The application for a certificate was received; it is yet to be checked",
        ),
        (Kind::Certificate, Status::Accepted) => (
            "電子証明書の発行申請を確認しました。発行をお待ちください。",
            "The application for a certificate is in order; the certificate is yet to be issued",
        ),
        (Kind::Certificate, Status::Issued) => (
            "電子証明書を発行しました。取得に必要な通知の発送をお待ちください。",
            "The certificate was issued; the notice by which it is fetched is yet to be sent",
        ),
        (Kind::Certificate, Status::Sent | Status::Delivered) => (
            "電子証明書の取得に必要な通知を発送しました。届きましたら端末に証明書を設定してください。",
            "The notice by which the certificate is fetched was sent; set the certificate up when it arrives",
        ),
        (Kind::Certificate, Status::Cancelled) => (
            "電子証明書の発行申請は取り下げられました。改めて申請することができます。",
            "The application for a certificate was cancelled; you may apply again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn certificate(expires_on: &str) -> Standing {
        Standing {
            status: ApplicationStatus::Sent,
            since: day("2021-12-01"),
            expires_on: Some(day(expires_on)),
        }
    }

    #[test]
    fn a_certificate_is_said_to_expire_from_sixty_days_before_its_last_day() {
        let today = day("2021-12-19");
        for (until, expected) in [
            ("2022-02-18", None),
            ("2022-02-17", Some(Expiry::Soon(day("2022-02-17")))),
            ("2021-12-19", Some(Expiry::Soon(today))),
            ("2021-12-18", Some(Expiry::Over(day("2021-12-18")))),
        ] {
            assert_eq!(Expiry::of(&certificate(until), today), expected, "{until}");
        }
        let cancelled = Standing {
            status: ApplicationStatus::Cancelled,
            ..certificate("2021-12-18")
        };
        assert_eq!(Expiry::of(&cancelled, today), None);
    }

    #[test]
    fn it_is_told_in_both_languages_with_the_day() {
        let today = day("2021-12-19");
        let standing = certificate("2021-12-18");
        let kind = ApplicationKind::Certificate;
        let tell = |language| explained(kind, &standing, Some(today), language);
        assert_eq!(
            tell(Language::Ja),
            "2021-12-01 電子証明書の取得に必要な通知を発送しました。届きましたら端末に証明書を設定してください。\
             証明書の有効期限（2021-12-18）が切れています。再発行を申請してください。"
        );
        assert_eq!(
            tell(Language::En),
            "The notice by which the certificate is fetched was sent; set the certificate up when it arrives \
             (2021-12-01). The certificate expired on 2021-12-18: apply for a new one."
        );
    }
}

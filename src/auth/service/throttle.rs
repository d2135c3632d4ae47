//! Limits on attempts, counted in the database so that all processes share them: closely for one account
//! from one address, loosely for an address, since a whole hospital may share one, and loosely for an
//! account from all addresses together, so that one stranger can't lock its owner out. IPv6 addresses count
//! by their /64, which is what one subscriber gets.
//!
//! An attempt counts in the address first, then in the pair, then in the account. One that is too many ends
//! there: a stranger who is over a limit costs nobody else anything, and adds no rows. Whoever changes
//! several of the three does it in this order, so that two can't wait for each other.

use std::net::{IpAddr, Ipv6Addr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DbErr};
use sha2::{Digest, Sha256};

use super::{AuthService, Failure, RetryAfter};
use crate::{auth::entity::throttle, db::OrganisationId};

/// How many attempts are allowed, and in what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Attempts on one account from one address in a window.
    pub pair_attempts: i32,
    /// Attempts on one account from all addresses in a window.
    pub account_attempts: i32,
    /// Attempts from one address in a window.
    pub address_attempts: i32,
    /// The length of a window.
    pub window: TimeDelta,
    /// Mails to one address in an hour, for resets, and in a day, for invitations.
    pub mails: i32,
    /// Invitations to one organisation in a day.
    pub invitations: i32,
}

impl Default for ThrottleLimits {
    fn default() -> Self {
        Self {
            pair_attempts: 10,
            account_attempts: 100,
            address_attempts: 100,
            window: TimeDelta::minutes(15),
            mails: 5,
            invitations: 50,
        }
    }
}

/// What is being tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    LogIn,
    Link,
    Code,
    Claim,
}

impl Attempt {
    fn name(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::Link => "link",
            Self::Code => "code",
            Self::Claim => "claim",
        }
    }

    /// The bucket of an account, or of what stands for one.
    fn account(self, account: &str) -> String {
        format!("{}:account:{}", self.name(), hashed(account))
    }

    /// The bucket of an account as it is tried from one address.
    fn pair(self, account: &str, address: Option<IpAddr>) -> String {
        let from = address.map_or_else(String::new, |address| subscriber(address).to_string());
        format!("{}:pair:{}:{from}", self.name(), hashed(account))
    }

    /// The bucket of an address.
    fn address(self, address: IpAddr) -> String {
        format!("{}:address:{}", self.name(), subscriber(address))
    }
}

/// The table is no list of who tried to come in.
fn hashed(account: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(account.as_bytes()))
}

fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

impl AuthService {
    /// Counts an attempt on an account from an address, and refuses it if it is one too many. What is
    /// counted here stays counted, whatever becomes of the attempt.
    pub(super) async fn count_attempt<R: From<RetryAfter>>(
        &self,
        attempt: Attempt,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), Failure<R>> {
        let limits = self.settings.throttle;
        let buckets = address
            .map(|address| (attempt.address(address), limits.address_attempts))
            .into_iter()
            .chain([
                (attempt.pair(account, address), limits.pair_attempts),
                (attempt.account(account), limits.account_attempts),
            ]);
        let transaction = self.db.begin().await?;
        let mut wait = None;
        for (bucket, limit) in buckets {
            wait = self
                .count(&transaction, &bucket, limit, limits.window)
                .await?;
            if wait.is_some() {
                break;
            }
        }
        transaction.commit().await?;
        wait.map_or(Ok(()), |wait| Err(Failure::refused(wait)))
    }

    /// Whoever tried was right: the pair counts anew, and the address and the account have one attempt
    /// back. What strangers tried on the account elsewhere stays counted.
    pub(super) async fn forgive_attempt(
        &self,
        connection: &impl ConnectionTrait,
        attempt: Attempt,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DbErr> {
        if let Some(address) = address {
            throttle::forgive_attempt(connection, &attempt.address(address)).await?;
        }
        throttle::reset(connection, &attempt.pair(account, address)).await?;
        throttle::forgive_attempt(connection, &attempt.account(account)).await
    }

    /// The account has a new password, so that what was guessed before leads nowhere: it counts anew.
    pub(super) async fn forget_attempts(
        &self,
        connection: &impl ConnectionTrait,
        attempt: Attempt,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DbErr> {
        throttle::reset(connection, &attempt.pair(account, address)).await?;
        throttle::reset(connection, &attempt.account(account)).await
    }

    /// Nothing was tried after all: the attempt counts nowhere.
    pub(super) async fn return_attempt(
        &self,
        attempt: Attempt,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        if let Some(address) = address {
            throttle::forgive_attempt(&transaction, &attempt.address(address)).await?;
        }
        for bucket in [attempt.pair(account, address), attempt.account(account)] {
            throttle::forgive_attempt(&transaction, &bucket).await?;
        }
        transaction.commit().await
    }

    /// Counts a link to be mailed to an address that anybody may ask for; says how long to wait if it is
    /// one too many.
    pub(super) async fn count_link(
        &self,
        connection: &impl ConnectionTrait,
        recipient: &str,
    ) -> Result<Option<RetryAfter>, DbErr> {
        let bucket = format!("mail:reset:{}", hashed(recipient));
        let limit = self.settings.throttle.mails;
        self.count(connection, &bucket, limit, TimeDelta::hours(1))
            .await
    }

    /// Counts an invitation to be mailed, for its organisation, whose administrators choose the recipients
    /// and a part of what the mail says, and for its recipient; says how long to wait if it is one too many.
    pub(super) async fn count_invitation(
        &self,
        connection: &impl ConnectionTrait,
        organisation: OrganisationId,
        recipient: &str,
    ) -> Result<Option<RetryAfter>, DbErr> {
        let limits = self.settings.throttle;
        let day = TimeDelta::days(1);
        let sender = format!("mail:invitations:{organisation}");
        let wait = self
            .count(connection, &sender, limits.invitations, day)
            .await?;
        if wait.is_some() {
            return Ok(wait);
        }
        let bucket = format!("mail:invitation:{}", hashed(recipient));
        self.count(connection, &bucket, limits.mails, day).await
    }

    async fn count(
        &self,
        connection: &impl ConnectionTrait,
        bucket: &str,
        limit: i32,
        window: TimeDelta,
    ) -> Result<Option<RetryAfter>, DbErr> {
        let now = self.clock.now();
        let counted = throttle::count_attempt(connection, bucket, now, now + window).await?;
        Ok((counted.attempts > limit).then(|| RetryAfter {
            seconds: (counted.window_ends_at - now).num_seconds().max(1),
        }))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    #[case("::ffff:192.0.2.7", "192.0.2.7")]
    #[case("192.0.2.7", "192.0.2.7")]
    fn a_subscriber_has_one_bucket(#[case] address: &str, #[case] counted: &str) {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(subscriber(address).to_string(), counted);
    }
}

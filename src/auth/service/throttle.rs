//! Limits on attempts, by account and by address, counted in the database so that all processes share
//! them. An account is limited closely; an address loosely, since a whole hospital may share one. IPv6
//! addresses count by their /64, which is what one subscriber gets.

use std::net::{IpAddr, Ipv6Addr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DbErr};
use sha2::{Digest, Sha256};

use super::{AuthService, Failure, RetryAfter};
use crate::auth::entity::throttle;

/// How many attempts are allowed, and in what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Attempts on one account in a window.
    pub account_attempts: i32,
    /// Attempts from one address in a window.
    pub address_attempts: i32,
    /// The length of a window.
    pub window: TimeDelta,
    /// Mails to one address in an hour, for resets, and in a day, for invitations.
    pub mails: i32,
}

impl Default for ThrottleLimits {
    fn default() -> Self {
        Self {
            account_attempts: 10,
            address_attempts: 100,
            window: TimeDelta::minutes(15),
            mails: 5,
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

    /// The bucket of an account, or of what stands for one. It is hashed: the table is no list of who
    /// tried to come in.
    pub(super) fn account(self, account: &str) -> String {
        let hash = Sha256::digest(account.as_bytes());
        format!("{}:account:{}", self.name(), URL_SAFE_NO_PAD.encode(hash))
    }

    /// The bucket of an address.
    pub(super) fn address(self, address: IpAddr) -> String {
        format!("{}:address:{}", self.name(), subscriber(address))
    }
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
        let now = self.clock.now();
        let ends_at = now + limits.window;
        // Always the account first: two who lock both can't wait for each other.
        let mut buckets = vec![(attempt.account(account), limits.account_attempts)];
        if let Some(address) = address {
            buckets.push((attempt.address(address), limits.address_attempts));
        }
        let mut wait = None;
        let transaction = self.db.begin().await?;
        for (bucket, limit) in &buckets {
            let counted = throttle::count_attempt(&transaction, bucket, now, ends_at).await?;
            if counted.attempts > *limit {
                wait = wait.max(Some(counted.window_ends_at - now));
            }
        }
        transaction.commit().await?;
        match wait {
            Some(wait) => Err(Failure::refused(RetryAfter {
                seconds: wait.num_seconds().max(1),
            })),
            None => Ok(()),
        }
    }

    /// Whoever tried was right: the account counts anew, and the address has one attempt back.
    pub(super) async fn forgive_attempt(
        &self,
        connection: &impl ConnectionTrait,
        attempt: Attempt,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DbErr> {
        throttle::reset(connection, &attempt.account(account)).await?;
        if let Some(address) = address {
            throttle::forgive_attempt(connection, &attempt.address(address)).await?;
        }
        Ok(())
    }

    /// Nothing was tried after all: the account and the address have the attempt back.
    pub(super) async fn return_attempt(
        &self,
        attempt: Attempt,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        throttle::forgive_attempt(&transaction, &attempt.account(account)).await?;
        if let Some(address) = address {
            throttle::forgive_attempt(&transaction, &attempt.address(address)).await?;
        }
        transaction.commit().await
    }

    /// Counts a mail to an address that somebody else asked for; false if it is one too many.
    pub(super) async fn may_mail(
        &self,
        connection: &impl ConnectionTrait,
        what: &str,
        recipient: &str,
        window: TimeDelta,
    ) -> Result<bool, DbErr> {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(recipient.as_bytes()));
        let bucket = format!("mail:{what}:{hash}");
        let now = self.clock.now();
        let counted = throttle::count_attempt(connection, &bucket, now, now + window).await?;
        Ok(counted.attempts <= self.settings.throttle.mails)
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

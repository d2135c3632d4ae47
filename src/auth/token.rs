//! Access tokens: short-lived JWTs (RFC 9068) that say which user and which login. Only EdDSA by one of
//! our own keys counts. The library leaves much unchecked (a future `nbf` or `iat`, a missing claim, any
//! `kid`, keys that a header brings along), so a token must have exactly the header that we write, every
//! claim, and times that agree with our clock. Whether the user may still come in is not asked here: that
//! is read from the database for every request.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::keys::{KeyError, KeyRing, LONGEST_TOKEN};
use crate::{
    app::Clock,
    db::{Database, SessionId, UserId},
};

/// The media type of an access token (RFC 9068, section 2.1).
const TYPE: &str = "at+jwt";
/// Ours have about 400 bytes.
const MOST_BYTES: usize = 4096;
/// How far clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// Verified signatures that are remembered, at some 300 bytes each.
const MOST_REMEMBERED: u64 = 10_000;
/// Longest name of a key.
const MOST_KID_CHARACTERS: usize = 64;

/// What an access token says. All of it is required.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: i64,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// A token whose signature and claims hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Who it was made for.
    pub user: UserId,
    /// The login it came from.
    pub session: SessionId,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours.
    #[error("the token is not valid")]
    Invalid,
    /// We could not tell.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// Signs and verifies access tokens.
pub struct AccessTokens {
    issuer: String,
    audience: String,
    clock: Clock,
    keys: KeyRing,
    validation: Validation,
    verified: Cache<[u8; 32], Arc<Remembered>>,
}

/// A signature that was verified stays verified while its key counts; times are compared at each use.
struct Remembered {
    kid: String,
    claims: Claims,
}

impl AccessTokens {
    /// Opens the key ring.
    pub async fn open(
        issuer: String,
        audience: String,
        db: Database,
        clock: Clock,
    ) -> Result<Self, KeyError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&audience]);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        // Times are compared with our own clock, in `check_times`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            issuer,
            audience,
            keys: KeyRing::open(db, clock.clone()).await?,
            clock,
            validation,
            verified: Cache::new(MOST_REMEMBERED),
        })
    }

    /// The keys behind the tokens.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Signs a token and says when it is over.
    pub async fn sign(
        &self,
        user: UserId,
        session: SessionId,
        lifetime: TimeDelta,
    ) -> Result<(String, DateTime<Utc>), KeyError> {
        let key = self.keys.signer().await?;
        let now = self.clock.now().timestamp();
        let expires_at = now + lifetime.min(LONGEST_TOKEN).num_seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.to_string(),
            sid: session.0,
            iat: now,
            nbf: now,
            exp: expires_at,
        };
        let token = jsonwebtoken::encode(&header(key.kid()), &claims, key.encoding())?;
        Ok((token, instant(expires_at)))
    }

    /// Verifies a token: header, signature, claims and times.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        if token.len() > MOST_BYTES {
            return Err(TokenError::Invalid);
        }
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = match self.verified.get(&fingerprint) {
            Some(remembered) => {
                self.verifying_key(&remembered.kid).await?;
                remembered
            }
            None => {
                let remembered = Arc::new(self.verify_signature(token).await?);
                self.verified.insert(fingerprint, Arc::clone(&remembered));
                remembered
            }
        };
        let verified = self.check_times(&remembered.claims);
        if verified.is_err() {
            self.verified.invalidate(&fingerprint);
        }
        verified
    }

    async fn verify_signature(&self, token: &str) -> Result<Remembered, TokenError> {
        let found = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = found.kid.clone().ok_or(TokenError::Invalid)?;
        if !is_kid(&kid) || found != header(&kid) {
            return Err(TokenError::Invalid);
        }
        let key = self.verifying_key(&kid).await?;
        let token = jsonwebtoken::decode::<Claims>(token, key.decoding(), &self.validation)
            .map_err(|_| TokenError::Invalid)?;
        Ok(Remembered {
            kid,
            claims: token.claims,
        })
    }

    async fn verifying_key(&self, kid: &str) -> Result<Arc<super::keys::Key>, TokenError> {
        self.keys.verifier(kid).await?.ok_or(TokenError::Invalid)
    }

    fn check_times(&self, claims: &Claims) -> Result<VerifiedToken, TokenError> {
        let now = self.clock.now().timestamp();
        let leeway = LEEWAY.num_seconds();
        let latest = now + leeway;
        let lifetime = claims.exp.saturating_sub(claims.iat);
        if claims.iat > latest
            || claims.nbf > latest
            || lifetime <= 0
            || lifetime > LONGEST_TOKEN.num_seconds()
        {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now - leeway {
            return Err(TokenError::Expired);
        }
        let user: i64 = claims.sub.parse().map_err(|_| TokenError::Invalid)?;
        Ok(VerifiedToken {
            user: UserId(user),
            session: SessionId(claims.sid),
            expires_at: instant(claims.exp),
        })
    }
}

/// The one header that our tokens have.
fn header(kid: &str) -> Header {
    Header {
        typ: Some(TYPE.to_owned()),
        kid: Some(kid.to_owned()),
        ..Header::new(Algorithm::EdDSA)
    }
}

fn is_kid(kid: &str) -> bool {
    !kid.is_empty()
        && kid.len() <= MOST_KID_CHARACTERS
        && kid
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

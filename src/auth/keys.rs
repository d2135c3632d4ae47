//! The Ed25519 keys that sign access tokens. They live in a table, so that every process has the same
//! ones: the first start makes one; [`KeyRing::rotate`] adds another that begins to sign a few minutes
//! later, when every process has read it, while the old one verifies until the last token it may have
//! signed is over. A process rereads the table once a minute, and at once (but not oftener than every few
//! seconds) when a token names a key that it doesn't know. Nothing needs a restart. A key that has leaked is
//! replaced at once ([`KeyRing::replace`]).

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, Jwk},
};
use sea_orm::DbErr;

use super::{
    entity::keys::{self, StoredKey},
    secret,
};
use crate::{app::Clock, db::Database};

/// How long a new key waits before it signs: every process rereads the table within this time.
pub const SIGNS_AFTER: TimeDelta = TimeDelta::minutes(5);
/// No access token lives longer, whoever asked for it.
pub const LONGEST_TOKEN: TimeDelta = TimeDelta::hours(24);
/// The table is reread when it was last read this long ago …
const STALE_AFTER: TimeDelta = TimeDelta::minutes(1);
/// … or, for the sake of an unknown key, this long ago.
const REREAD_AFTER: TimeDelta = TimeDelta::seconds(5);
/// Allows for clocks that differ and requests under way.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// "kaitsu" and a number: the advisory lock of those who make keys.
const KEY_LOCK: i64 = 0x6b61_6974_7375_0001;
/// The fixed beginning of an Ed25519 private key in PKCS #8 (RFC 8410); the 32 bytes of the seed follow.
const PKCS8_HEADER: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why keys could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// A stored key is no key.
    #[error("a signing key is unusable: {0}")]
    Unusable(#[from] jsonwebtoken::errors::Error),
    /// The table has no key that signs yet.
    #[error("no signing key is in effect")]
    NoneInEffect,
}

/// One key, ready for use.
pub struct Key {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    public_key: Vec<u8>,
    created_at: DateTime<Utc>,
    signs_from: DateTime<Utc>,
    verifies_until: Option<DateTime<Utc>>,
}

impl Key {
    fn from_stored(stored: StoredKey) -> Self {
        Self {
            encoding: encoding_key(&stored.private_key),
            decoding: DecodingKey::from_ed_der(&stored.public_key),
            kid: stored.kid,
            public_key: stored.public_key,
            created_at: stored.created_at,
            signs_from: stored.signs_from,
            verifies_until: stored.verifies_until,
        }
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What signs.
    pub fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    /// What verifies.
    pub fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    fn verifies_at(&self, now: DateTime<Utc>) -> bool {
        self.verifies_until.is_none_or(|until| now < until)
    }
}

/// The keys of this deployment as this process last read them.
pub struct KeyRing {
    db: Database,
    clock: Clock,
    keys: RwLock<Vec<Arc<Key>>>,
    read_at_micros: AtomicI64,
    reading: tokio::sync::Mutex<()>,
}

impl KeyRing {
    /// Reads the keys; makes the first one if there is none.
    pub async fn open(db: Database, clock: Clock) -> Result<Self, KeyError> {
        let ring = Self {
            db,
            clock,
            keys: RwLock::default(),
            read_at_micros: AtomicI64::new(i64::MIN),
            reading: tokio::sync::Mutex::default(),
        };
        ring.make_first().await?;
        ring.reread().await?;
        Ok(ring)
    }

    async fn make_first(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let transaction = self.db.begin().await?;
        self.db.lock(&transaction, KEY_LOCK).await?;
        if keys::usable_keys(&transaction, now).await?.is_empty() {
            keys::insert_key(&transaction, &new_key(now, now)?).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Adds a key that will sign from [`SIGNS_AFTER`] on, and says until when the others verify. Returns
    /// its name.
    pub async fn rotate(&self) -> Result<String, KeyError> {
        let transaction = self.db.begin().await?;
        self.db.lock(&transaction, KEY_LOCK).await?;
        let now = self.clock.now();
        let key = new_key(now, now + SIGNS_AFTER)?;
        keys::insert_key(&transaction, &key).await?;
        let verify_until = key.signs_from + LONGEST_TOKEN + MARGIN;
        keys::retire_keys(&transaction, &key.kid, verify_until).await?;
        transaction.commit().await?;
        Ok(key.kid)
    }

    /// Adds a key that signs at once, and ends all others: one of them has leaked. Tokens that they signed
    /// count no more in any process that rereads the table, which each does within a minute. Returns the
    /// new key's name.
    pub async fn replace(&self) -> Result<String, KeyError> {
        let transaction = self.db.begin().await?;
        self.db.lock(&transaction, KEY_LOCK).await?;
        let now = self.clock.now();
        // A process whose clock is behind must not find itself without a key.
        let key = new_key(now, now - MARGIN)?;
        keys::insert_key(&transaction, &key).await?;
        keys::revoke_keys(&transaction, &key.kid, now).await?;
        transaction.commit().await?;
        Ok(key.kid)
    }

    /// Rotates if the newest key is older than this. Returns the new key's name, if one was made.
    pub async fn rotate_if_older_than(&self, age: TimeDelta) -> Result<Option<String>, KeyError> {
        self.reread().await?;
        let now = self.clock.now();
        let newest = self.all().iter().map(|key| key.created_at).max();
        if newest.is_some_and(|created_at| now - created_at <= age) {
            return Ok(None);
        }
        self.rotate().await.map(Some)
    }

    /// The key that signs now.
    pub async fn signer(&self) -> Result<Arc<Key>, KeyError> {
        self.reread_if_older_than(STALE_AFTER).await?;
        let now = self.clock.now();
        self.all()
            .into_iter()
            .filter(|key| key.signs_from <= now && key.verifies_at(now))
            .max_by_key(|key| key.signs_from)
            .ok_or(KeyError::NoneInEffect)
    }

    /// The key of this name, if it verifies now.
    pub async fn verifier(&self, kid: &str) -> Result<Option<Arc<Key>>, KeyError> {
        self.reread_if_older_than(STALE_AFTER).await?;
        if let Some(key) = self.known(kid) {
            return Ok(Some(key));
        }
        self.reread_if_older_than(REREAD_AFTER).await?;
        Ok(self.known(kid))
    }

    /// The public keys as RFC 7517 has them, those that will sign soon included.
    pub fn jwks(&self) -> serde_json::Value {
        let now = self.clock.now();
        let keys: Vec<serde_json::Value> = self
            .all()
            .iter()
            .filter(|key| key.verifies_at(now))
            .map(|key| {
                serde_json::json!({
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "alg": "EdDSA",
                    "use": "sig",
                    "kid": key.kid,
                    "x": URL_SAFE_NO_PAD.encode(&key.public_key),
                })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }

    fn known(&self, kid: &str) -> Option<Arc<Key>> {
        let now = self.clock.now();
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|key| key.kid == kid && key.verifies_at(now))
            .cloned()
    }

    fn all(&self) -> Vec<Arc<Key>> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn reread_if_older_than(&self, age: TimeDelta) -> Result<(), KeyError> {
        if !self.is_older_than(age) {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        if self.is_older_than(age) {
            self.reread().await?;
        }
        Ok(())
    }

    fn is_older_than(&self, age: TimeDelta) -> bool {
        let age = age.num_microseconds().unwrap_or(i64::MAX);
        let read_at = self.read_at_micros.load(Ordering::Acquire);
        self.clock
            .now()
            .timestamp_micros()
            .saturating_sub(read_at)
            .ge(&age)
    }

    async fn reread(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let keys = keys::usable_keys(self.db.read(), now).await?;
        let keys = keys.into_iter().map(Key::from_stored).map(Arc::new);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.collect();
        self.read_at_micros
            .store(now.timestamp_micros(), Ordering::Release);
        Ok(())
    }
}

fn new_key(created_at: DateTime<Utc>, signs_from: DateTime<Utc>) -> Result<StoredKey, KeyError> {
    let seed = secret::random::<32>();
    Ok(StoredKey {
        kid: secret::identifier(),
        public_key: public_key(&seed)?,
        private_key: seed.to_vec(),
        created_at,
        signs_from,
        verifies_until: None,
    })
}

fn encoding_key(seed: &[u8]) -> EncodingKey {
    EncodingKey::from_ed_der(&[PKCS8_HEADER.as_slice(), seed].concat())
}

fn public_key(seed: &[u8]) -> Result<Vec<u8>, KeyError> {
    let invalid =
        || jsonwebtoken::errors::Error::from(jsonwebtoken::errors::ErrorKind::InvalidEddsaKey);
    let jwk = Jwk::from_encoding_key(&encoding_key(seed), Algorithm::EdDSA)?;
    match jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) => URL_SAFE_NO_PAD
            .decode(pair.x)
            .map_err(|_| KeyError::Unusable(invalid())),
        _ => Err(KeyError::Unusable(invalid())),
    }
}

//! Random secrets: opaque tokens that machines carry and short codes that people type. Randomness enters
//! the accounts here and nowhere else, from the operating system's generator by way of `rand`'s
//! cryptographic one. What the database keeps is the SHA-256 of a secret: they are random and long, so
//! nothing slower is needed against guessing, and a copied database opens nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;

/// What a secret scanner recognises a service token by.
pub const SERVICE_TOKEN_PREFIX: &str = "kts_";
/// What a secret scanner recognises a refresh token by.
pub const REFRESH_TOKEN_PREFIX: &str = "ktr_";
/// What a secret scanner recognises the secret of a mailed link by.
pub const LINK_PREFIX: &str = "ktl_";

/// Random bytes in a token: 256 bits.
const TOKEN_BYTES: usize = 32;
/// Crockford's base 32: no I, L, O or U, so that a code survives print and telephone.
const CROCKFORD: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J',
    'K', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
];
/// Characters of a code that staff read out: 50 bits.
const ACCOUNT_CODE_LENGTH: usize = 10;
/// Characters of a facility's claim secret without its hyphens: 60 bits.
const CLAIM_SECRET_LENGTH: usize = 12;
/// A code as it is typed is no longer than this, with every separator that people put into it.
const MOST_TYPED_CHARACTERS: usize = 64;
/// A claim secret is printed in groups of this many characters.
const CLAIM_SECRET_GROUP: usize = 4;

/// The SHA-256 of a secret, as it is stored and compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretHash")
    }
}

impl SecretHash {
    /// Hashes a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The bytes that the database keeps.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Compares with stored bytes in a time that does not depend on where they differ.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.as_slice().ct_eq(stored).into()
    }
}

/// A new service token (`kts_…`), shown once.
pub fn service_token() -> String {
    prefixed(SERVICE_TOKEN_PREFIX)
}

/// A new refresh token (`ktr_…`), good for one use.
pub fn refresh_token() -> String {
    prefixed(REFRESH_TOKEN_PREFIX)
}

/// The secret of a link in a mail (`ktl_…`).
pub fn link() -> String {
    prefixed(LINK_PREFIX)
}

/// A code that staff give to a person whose identity they checked.
pub fn account_code() -> String {
    crockford(ACCOUNT_CODE_LENGTH)
}

/// The secret of a facility's letter, printed as `XXXX-XXXX-XXXX`.
pub fn claim_secret() -> String {
    let plain: Vec<char> = crockford(CLAIM_SECRET_LENGTH).chars().collect();
    let groups: Vec<String> = plain
        .chunks(CLAIM_SECRET_GROUP)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// A password for an account made at the command line.
pub fn password() -> String {
    crockford(20).to_lowercase()
}

/// An identifier that is random but no secret: a key's name, a message's id.
pub fn identifier() -> String {
    URL_SAFE_NO_PAD.encode(random::<12>())
}

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

/// Reads a code as people write it: any case and width, with hyphens or spaces, O for 0, I or L for 1.
pub fn fold_code(written: &str) -> String {
    written
        .chars()
        .take(MOST_TYPED_CHARACTERS)
        .nfkc()
        .filter(|character| !matches!(character, '-' | '‐' | '−' | 'ー' | ' '))
        .map(|character| match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

fn prefixed(prefix: &str) -> String {
    format!(
        "{prefix}{}",
        URL_SAFE_NO_PAD.encode(random::<TOKEN_BYTES>())
    )
}

/// 32 divides 256, so each character is equally likely.
fn crockford(length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    rand::fill(bytes.as_mut_slice());
    bytes
        .iter()
        .filter_map(|byte| CROCKFORD.get(usize::from(byte % 32)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_secret_reads_the_same_however_it_is_typed() {
        let printed = claim_secret();
        assert_eq!(printed.len(), 14);
        let typed: String = printed
            .to_lowercase()
            .replace('-', " ")
            .replace('1', "l")
            .replace('0', "o");
        assert_eq!(fold_code(&typed), fold_code(&printed));
        assert_eq!(fold_code("ａｂｃ１"), "ABC1");
    }

    #[test]
    fn secrets_differ_and_carry_their_prefix() {
        assert_ne!(service_token(), service_token());
        assert!(service_token().starts_with("kts_"));
        assert!(refresh_token().starts_with("ktr_"));
        assert_eq!(account_code().len(), 10);
    }

    #[test]
    fn a_hash_matches_only_its_own_bytes() {
        let hash = SecretHash::of("a");
        assert!(hash.matches(&SecretHash::of("a").to_bytes()));
        assert!(!hash.matches(&SecretHash::of("b").to_bytes()));
        assert!(!hash.matches(&[]));
    }
}

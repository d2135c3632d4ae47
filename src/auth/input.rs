//! What people type, checked once at the edge: addresses, names and notes. A value of one of these types
//! is valid; a value that is refused says which field it was and what is wrong with it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// RFC 5321 allows a path of 256 octets with its brackets.
const MOST_EMAIL_CHARACTERS: usize = 254;
/// Longest name of a person or an organisation, in characters.
const MOST_NAME_CHARACTERS: usize = 200;
/// Longest free text: how an identity was checked.
const MOST_NOTE_CHARACTERS: usize = 500;

/// What is wrong with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flaw {
    /// Nothing was given where something is needed.
    Missing,
    /// Longer than this many characters.
    TooLong(usize),
    /// Shorter than this many characters.
    TooShort(usize),
    /// Control characters don't belong in a name.
    ControlCharacters,
    /// A name stands in mails to strangers, so it brings no link along.
    Link,
    /// Not an address that mail could be sent to.
    Email,
    /// One of the passwords that everyone tries first.
    CommonPassword,
    /// The address itself, or a part of it, as a password.
    PasswordIsEmail,
    /// Not among the values that are possible here.
    OutOfRange,
    /// Not an institution code.
    InstitutionCode,
}

/// The fields of inputs that are checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// `email`
    Email,
    /// `name`
    Name,
    /// `nameKana`
    NameKana,
    /// `password`
    Password,
    /// `newPassword`
    NewPassword,
    /// `kind`
    Kind,
    /// `bureau`
    Bureau,
    /// `parentId`
    ParentId,
    /// `role`
    Role,
    /// `permissions`
    Permissions,
    /// `expiresAt`
    ExpiresAt,
    /// `code`
    Code,
    /// `identityCheck`
    IdentityCheck,
    /// `facilityIds`
    FacilityIds,
    /// `organisation`
    Organisation,
}

impl Field {
    /// The name as the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "name",
            Self::NameKana => "nameKana",
            Self::Password => "password",
            Self::NewPassword => "newPassword",
            Self::Kind => "kind",
            Self::Bureau => "bureau",
            Self::ParentId => "parentId",
            Self::Role => "role",
            Self::Permissions => "permissions",
            Self::ExpiresAt => "expiresAt",
            Self::Code => "code",
            Self::IdentityCheck => "identityCheck",
            Self::FacilityIds => "facilityIds",
            Self::Organisation => "organisation",
        }
    }
}

/// A flaw and the input field that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputError {
    /// Which field.
    pub field: Field,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl Flaw {
    /// Says where the flaw is.
    pub fn at(self, field: Field) -> InputError {
        InputError { field, flaw: self }
    }
}

/// An e-mail address, trimmed, NFKC and in lower case throughout. RFC 5321 lets the part before the `@`
/// be case-sensitive, but no provider in use is, and people type their own address in every case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        if text.len() > MOST_EMAIL_CHARACTERS * 4 {
            return Err(Flaw::TooLong(MOST_EMAIL_CHARACTERS));
        }
        let folded: String = text.trim().nfkc().collect::<String>().to_lowercase();
        if folded.is_empty() {
            return Err(Flaw::Missing);
        }
        if folded.len() > MOST_EMAIL_CHARACTERS {
            return Err(Flaw::TooLong(MOST_EMAIL_CHARACTERS));
        }
        if is_plausible(&folded) {
            Ok(Self(folded))
        } else {
            Err(Flaw::Email)
        }
    }

    /// An address that was parsed before it was stored.
    pub(super) fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

/// ASCII, one `@`, a domain with a dot, and what the mail library accepts as an address.
fn is_plausible(text: &str) -> bool {
    let Some((_, domain)) = text.split_once('@') else {
        return false;
    };
    text.is_ascii()
        && domain.contains('.')
        && !domain.contains('@')
        && !domain.starts_with('[')
        && lettre::Address::from_str(text).is_ok()
}

/// The name of a person or an organisation: 1 to 200 characters, none of them a control character or the
/// end of a line, and no link among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads a name, without the spaces around it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let name = checked_text(text, MOST_NAME_CHARACTERS)?;
        if name.nfkc().collect::<String>().contains("://") {
            return Err(Flaw::Link);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A sentence or two that is kept: 1 to 500 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// Reads a note, without the spaces around it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        checked_text(text, MOST_NOTE_CHARACTERS).map(Self)
    }

    /// The note.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text of so many characters on one line at most, without the spaces around it.
pub fn checked_text(text: &str, most: usize) -> Result<String, Flaw> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Flaw::Missing);
    }
    if trimmed.chars().count() > most {
        return Err(Flaw::TooLong(most));
    }
    if trimmed.chars().any(is_control) {
        return Err(Flaw::ControlCharacters);
    }
    Ok(trimmed.to_owned())
}

/// Control characters, line and paragraph separators, and marks that turn the direction of text.
pub fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(" Taro.Yamada@Example.JP ", "taro.yamada@example.jp")]
    #[case("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ", "taro@example.jp")]
    fn an_address_is_folded(#[case] typed: &str, #[case] kept: &str) {
        assert_eq!(EmailAddress::parse(typed).unwrap().as_str(), kept);
    }

    #[rstest]
    #[case("", Flaw::Missing)]
    #[case("taro", Flaw::Email)]
    #[case("taro@localhost", Flaw::Email)]
    #[case("taro@@example.jp", Flaw::Email)]
    #[case("taro@[127.0.0.1]", Flaw::Email)]
    #[case("taro@example.jp\r\nBcc: x@example.jp", Flaw::Email)]
    #[case("太郎@example.jp", Flaw::Email)]
    #[case("a b@example.jp", Flaw::Email)]
    fn what_is_no_address_is_refused(#[case] typed: &str, #[case] flaw: Flaw) {
        assert_eq!(EmailAddress::parse(typed), Err(flaw));
    }

    #[test]
    fn an_address_of_ten_thousand_characters_is_refused() {
        let long = format!("{}@example.jp", "a".repeat(10_000));
        assert_eq!(EmailAddress::parse(&long), Err(Flaw::TooLong(254)));
    }

    #[rstest]
    #[case("  ", Flaw::Missing)]
    #[case("a\u{0}b", Flaw::ControlCharacters)]
    #[case("a\u{202E}b", Flaw::ControlCharacters)]
    #[case("a\r\nb", Flaw::ControlCharacters)]
    #[case("a\u{2028}b", Flaw::ControlCharacters)]
    #[case("Prize! https://example.com/win", Flaw::Link)]
    #[case("ｈｔｔｐｓ：／／example.com", Flaw::Link)]
    fn a_name_without_meaning_is_refused(#[case] typed: &str, #[case] flaw: Flaw) {
        assert_eq!(Name::parse(typed), Err(flaw));
    }

    #[test]
    fn a_name_counts_characters_and_not_bytes() {
        assert!(Name::parse(&"山".repeat(200)).is_ok());
        assert_eq!(Name::parse(&"山".repeat(201)), Err(Flaw::TooLong(200)));
    }
}

//! What our mails say, in Japanese and English, as plain text. The first line of a template is the
//! subject, the rest after an empty line is the body.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::auth::Language;

/// A mail that we know how to write. Names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// Asks somebody to join an organisation: `organisation`, `inviter`, `link`, `expires_at`.
    Invitation,
    /// Sets a forgotten password: `link`, `expires_at`.
    PasswordReset,
    /// Tells that a password was changed: `changed_at`.
    PasswordChanged,
    /// Tells that staff issued a code for this account: `issued_at`, `expires_at`.
    AccountCode,
}

impl Template {
    /// All templates.
    pub const ALL: [Self; 4] = [
        Self::Invitation,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::AccountCode,
    ];

    /// The name kept in the outbox.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::AccountCode => "account_code",
        }
    }

    /// The template of a stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|template| template.name() == name)
    }

    fn source(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Invitation, Language::Ja) => include_str!("templates/invitation.ja.txt"),
            (Self::Invitation, Language::En) => include_str!("templates/invitation.en.txt"),
            (Self::PasswordReset, Language::Ja) => include_str!("templates/password_reset.ja.txt"),
            (Self::PasswordReset, Language::En) => include_str!("templates/password_reset.en.txt"),
            (Self::PasswordChanged, Language::Ja) => {
                include_str!("templates/password_changed.ja.txt")
            }
            (Self::PasswordChanged, Language::En) => {
                include_str!("templates/password_changed.en.txt")
            }
            (Self::AccountCode, Language::Ja) => include_str!("templates/account_code.ja.txt"),
            (Self::AccountCode, Language::En) => include_str!("templates/account_code.en.txt"),
        }
    }
}

/// A mail as it will be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject, on one line.
    pub subject: String,
    /// The text.
    pub body: String,
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
});

/// Writes a mail. A variable that is missing is an error, not a gap in a sentence.
pub fn render(
    template: Template,
    language: Language,
    variables: &serde_json::Value,
) -> Result<Letter, minijinja::Error> {
    let text = ENVIRONMENT.render_str(
        template.source(language),
        minijinja::value::Serde(variables),
    )?;
    let (subject, body) = text.split_once('\n').unwrap_or((&text, ""));
    Ok(Letter {
        subject: subject.trim().to_owned(),
        body: body.trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn every_mail_is_written_in_both_languages(
        #[values(
            Template::Invitation,
            Template::PasswordReset,
            Template::PasswordChanged,
            Template::AccountCode
        )]
        template: Template,
        #[values(Language::Ja, Language::En)] language: Language,
    ) {
        let variables = serde_json::json!({
            "organisation": "北海道医療システム株式会社",
            "inviter": "山田 太郎",
            "link": "https://kaitsu.example.jp/invitation#ktl_secret",
            "issued_at": "2021-12-19 09:00",
            "changed_at": "2021-12-19 09:00",
            "expires_at": "2021-12-26 09:00",
        });
        let letter = render(template, language, &variables).unwrap();
        insta::assert_snapshot!(
            format!("{}-{language:?}", template.name()),
            format!("{}\n\n{}", letter.subject, letter.body)
        );
    }

    #[test]
    fn a_missing_variable_is_an_error() {
        let variables = serde_json::json!({ "expires_at": "2021-12-26" });
        assert!(render(Template::PasswordReset, Language::En, &variables).is_err());
    }
}

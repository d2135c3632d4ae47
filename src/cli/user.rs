//! `kaitsu user`

use std::process::ExitCode;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use kaitsu::{
    app::{Services, accounts},
    auth::{
        AuthService, Language, OrganisationKind, Role,
        graphql::message,
        service::{Failure, NewMember, OperatorRefusal, Problem, UserCreate},
    },
    facility::Bureau,
};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions},
    output::{Format, Table},
};

#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a user with a membership; prints the password, once
    Create {
        /// The address to log in with
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// The name that others see
        #[arg(long)]
        name: String,
        /// What kind of organisation the user belongs to
        #[arg(long, value_name = "KIND", value_parser = one_of(&OrganisationKind::ALL))]
        organisation_kind: OrganisationKind,
        /// The name of the organisation; it is made if there is none, unless it is a facility's: that is claimed
        #[arg(long)]
        organisation: String,
        /// Which regional bureau it is, from 0 (Hokkaido) to 7 (Kyushu); needed to make one
        #[arg(long, value_name = "N", value_parser = bureau)]
        bureau: Option<Bureau>,
        /// The role in it: a viewer reads, an editor writes, an admin manages members too
        #[arg(long, value_name = "ROLE", default_value = "admin", value_parser = one_of(&Role::ALL))]
        role: Role,
        /// The language of mails and messages
        #[arg(long, value_name = "LANGUAGE", default_value = "ja", value_parser = one_of(&Language::ALL))]
        language: Language,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Let a user in no more, and end the user's sessions
    Disable {
        /// The address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
    },
    /// Let a user in again
    Enable {
        /// The address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
    },
}

/// Reads one of our words as the command line spells it: `regional-bureau`.
fn one_of<T: Copy + serde::Serialize + Send + Sync>(
    all: &'static [T],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(spelling)).try_map(move |given| {
        let mut all = all.iter().copied();
        all.find(|one| spelling(one) == given)
            .ok_or("there is no such word")
    })
}

fn spelling(word: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(word).unwrap_or_default();
    word.as_str()
        .map(|word| word.to_lowercase().replace('_', "-"))
        .unwrap_or_default()
}

fn bureau(text: &str) -> Result<Bureau, String> {
    let found = text.parse().ok().and_then(Bureau::from_code);
    found.ok_or_else(|| format!("a bureau is a number from 0 to {}", Bureau::ALL.len() - 1))
}

/// What the operator reads of a refusal: each reason on a line.
pub fn explain(failure: Failure<OperatorRefusal>) -> String {
    let reasons = match failure {
        Failure::Refused(reasons) => reasons,
        Failure::Fault(fault) => return fault.to_string(),
    };
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|reason| sentence(&reason.into()))
        .collect();
    reasons.join("\n")
}

fn sentence(problem: &Problem) -> String {
    let message = message(problem, Language::En);
    match problem {
        Problem::Input(error) => format!("{}: {message}", error.field.name()),
        _ => message,
    }
}

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (config, database) = configuration.open().await?;
    let auth = accounts::open(&config, &Services::new(database, CLOCK)).await?;
    match options.action {
        Action::Create {
            email,
            name,
            organisation_kind,
            organisation,
            bureau,
            role,
            language,
            format,
        } => {
            let created = auth
                .create_user(&UserCreate {
                    email,
                    name,
                    organisation: NewMember::Named {
                        kind: organisation_kind,
                        name: organisation,
                        bureau,
                    },
                    role,
                    password: None,
                    language,
                })
                .await
                .map_err(explain)?;
            let mut table = Table::new(["email", "organisation", "password"]);
            table.row(vec![
                created.user.email.into(),
                created.organisation.name.into(),
                created.generated_password.into(),
            ]);
            table.print(format)?;
        }
        Action::Disable { email } => disable(&auth, &email, true).await?,
        Action::Enable { email } => disable(&auth, &email, false).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn disable(auth: &AuthService, email: &str, disabled: bool) -> Result<(), String> {
    auth.set_user_disabled(email, disabled)
        .await
        .map_err(explain)
}

//! `kaitsu user`

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use kaitsu::{
    app::{Services, accounts},
    auth::{
        self, AuthService, OrganisationKind,
        service::{Failure, NewMember, OperatorRefusal, UserCreate},
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
        #[arg(long, value_enum)]
        organisation_kind: Kind,
        /// The name of the organisation; it is made if there is none
        #[arg(long)]
        organisation: String,
        /// Which regional bureau it is, from 0 (Hokkaido) to 7 (Kyushu)
        #[arg(long, value_name = "N")]
        bureau: Option<i16>,
        /// The role in it
        #[arg(long, value_enum, default_value_t = Role::Admin)]
        role: Role,
        /// The language of mails and messages
        #[arg(long, value_enum, default_value_t = Language::Ja)]
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

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Vendor,
    SupportContractor,
    Ministry,
    RegionalBureau,
    PaymentFund,
    Chain,
    Facility,
    Supplier,
    Auditor,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Edits, and manages members
    Admin,
    /// Edits
    Editor,
    /// Reads
    Viewer,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    Ja,
    En,
}

impl From<Kind> for OrganisationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Vendor => Self::Vendor,
            Kind::SupportContractor => Self::SupportContractor,
            Kind::Ministry => Self::Ministry,
            Kind::RegionalBureau => Self::RegionalBureau,
            Kind::PaymentFund => Self::PaymentFund,
            Kind::Chain => Self::Chain,
            Kind::Facility => Self::Facility,
            Kind::Supplier => Self::Supplier,
            Kind::Auditor => Self::Auditor,
        }
    }
}

impl From<Role> for auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Editor => Self::Editor,
            Role::Viewer => Self::Viewer,
        }
    }
}

/// What the operator reads of a refusal.
pub fn explain(failure: &Failure<OperatorRefusal>) -> String {
    match failure {
        Failure::Refused(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(|reason| format!("{reason:?}")).collect();
            reasons.join(", ")
        }
        Failure::Fault(fault) => fault.to_string(),
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
                        kind: organisation_kind.into(),
                        name: organisation,
                        bureau: bureau.and_then(Bureau::from_code),
                    },
                    role: role.into(),
                    password: None,
                    language: match language {
                        Language::Ja => auth::Language::Ja,
                        Language::En => auth::Language::En,
                    },
                })
                .await
                .map_err(|failure| explain(&failure))?;
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
        .map_err(|failure| explain(&failure))
}

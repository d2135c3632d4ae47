//! `kaitsu user`

use clap::{Args, Subcommand, ValueEnum};

use super::{NotAvailable, Outcome, configuration::ConfigurationOptions, output::Format};

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

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    let (_, _database) = configuration.open().await?;
    match options.action {
        Action::Create {
            email: _,
            name: _,
            organisation_kind: _,
            organisation: _,
            role: _,
            language: _,
            format: _,
        }
        | Action::Disable { email: _ }
        | Action::Enable { email: _ } => Err(NotAvailable("user").into()),
    }
}

//! What `top` takes.

use clap::ValueEnum;

use super::ask::{ListFormat, Named};

/// `top`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel top\n  \
    evenkeel top web prod/db -o wide\n  \
    evenkeel top --sort-by memory\n  \
    evenkeel top -w                      and again and again; stop with Ctrl-C\n\n\
    CPU is in thousandths of one, over about a second. MEMORY is without what the kernel can take\n\
    back at once, and its limit if there is one. NET I/O (received/sent) and BLOCK I/O (read/written)\n\
    are since the container started.")]
pub struct Top {
    /// Tasks, as NAME or NAMESPACE/NAME; left out: all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
    /// What comes first: the most of it, or the first name
    #[arg(long, value_enum, default_value_t)]
    pub sort_by: SortBy,
    /// Go on, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: ListFormat,
}

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// Who uses the most CPU
    #[default]
    Cpu,
    /// Who has the most memory
    Memory,
    /// Who received and sent the most
    Network,
    /// Who read from disks and wrote to them the most
    Block,
    /// By name
    Name,
}

//! That Docker Engine, through the adapter, does what every engine must.

use crate::bench::DockerBench;
use crate::contract;

macro_rules! on_docker {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                if let Some(bench) = DockerBench::new() {
                    contract::$name(&bench).await;
                }
            }
        )*
    };
}

mod does_what_every_engine_must {
    use super::*;

    contract::obligations!(on_docker);
}

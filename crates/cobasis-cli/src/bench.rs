//! How fast models are here.

mod layers;
mod peers;
mod plot;
mod timing;
mod workload;

pub use layers::{LayerTime, ShapeTime, layer_times, shape_times};
pub use peers::{Comparison, Engine, OURS, Peers, compare};
pub use plot::speed_plot;
pub use timing::{Timing, repeat};
pub use workload::{Setup, Task, Workload};

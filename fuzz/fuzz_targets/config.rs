//! Configurations, and changes to them from the command line.
#![no_main]

use cobasis_train::config::{Config, DIGITS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(config) = Config::parse_with("fuzz.toml", text, &[]) {
        let written = config.to_toml().expect("what was read can be written");
        let again = Config::parse_with("again.toml", &written, &[]).expect("it is read again");
        assert_eq!(again, config);
        let _ = (config.source(), config.model_name());
    }
    let sets: Vec<String> = text.lines().map(str::to_owned).collect();
    let _ = Config::parse_with("digits.toml", DIGITS, &sets);
});

//! `cobasis models fit`: the setting of a method for a budget.

use std::process::Command;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn models_fit_names_the_settings_that_a_budget_chooses() {
    let fit = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
        command.args(["models", "fit"]).args(arguments);
        command.output().expect("the program runs")
    };
    let output =
        fit(&["cifar10/resnet32", "--method", "lowrank-norm", "--params", "150666", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found[0]["even"]["model"], "cifar10/resnet32-s0u3,5,11");
    assert_eq!(found[0]["even"]["params"], 150_346);
    let nearest = found[0]["nearest"]["params"].as_u64().expect("a number");
    assert!((150_346..=150_666).contains(&nearest), "{nearest}");

    let output = fit(&["cifar10/resnet32", "--method", "all", "--params", "150666"]);
    let table = text(&output.stdout);
    for words in ["cifar10/resnet32-s8u1", "cifar10/resnet32-tai5,9,18", "needs at least 464,154"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let output = fit(&["imagenet/resnet50", "--method", "all", "--params", "9"]);
    let (table, line) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    assert!(table.contains("without a form of imagenet/resnet50: ") && table.contains("needs at"));
    assert!(line.contains("no method has a setting of imagenet/resnet50 within"), "{line}");
    for (arguments, said) in [
        (["cifar10/resnet32", "--method", "tied", "--params", "1000"], "has 125466 parameters"),
        (["cifar10/resnet32", "--method", "teid", "--params", "1000"], "unknown method \"teid\""),
        (
            ["cifar10/resnet32-tied", "--method", "tied", "--params", "9"],
            "expected a dense network",
        ),
        (
            ["imagenet/resnet50", "--method", "soft", "--params", "9"],
            "has no form of the method soft",
        ),
    ] {
        let output = fit(&arguments);
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(said), "{said}: {line}");
    }
}

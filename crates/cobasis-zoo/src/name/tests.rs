use super::*;
use crate::sharing::{Rank, Ranks};
use proptest::prelude::*;

fn error(name: &str) -> String {
    name.parse::<ModelName>().expect_err(name).to_string()
}

#[test]
fn every_name_of_the_registry_parses_to_itself() {
    for name in crate::listing::names() {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
}

#[test]
fn a_list_of_ranks_that_one_rank_says_is_that_rank() {
    let name: ModelName = "cifar10/resnet32-s8,16,32u1".parse().expect("a name");
    assert_eq!(name.to_string(), "cifar10/resnet32-s8u1");
    for text in ["cifar10/resnet32-s12,24,40u1", "cifar10/resnet32-s0,0,4u1,1,1-double"] {
        assert_eq!(text.parse::<ModelName>().expect("a name").to_string(), text);
    }
}

#[test]
fn names_survive_serde() {
    let own = Entry::new(
        "mine/net",
        crate::spec::Architecture::DenseNet(crate::spec::DenseNetSpec::new([2, 2], 8)),
        3,
        [1, 16, 16],
    );
    let own = ModelName::own(own).expect("a network").with_sharing("s4u1").expect("a suffix");
    let parsed = |name: &str| name.parse::<ModelName>().expect("a name");
    let all = parsed("cifar10/resnet32-s16u1-double-all");
    assert_eq!(all.to_string(), "cifar10/resnet32-s16u1-double-all");
    assert_eq!(all.dense().to_string(), "cifar10/resnet32");
    for name in [parsed("cifar10/resnet32-s16u1"), all, own.dense(), own] {
        let text = serde_json::to_string(&name).expect("text");
        assert_eq!(serde_json::from_str::<ModelName>(&text).expect("a name"), name, "{text}");
    }
    let known = serde_json::to_string(&"digits/resnet14".parse::<ModelName>().expect("a name"));
    assert_eq!(known.expect("text"), "\"digits/resnet14\"");
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let refused = |name: &str, blocks: Vec<usize>, width: usize| {
        let spec = crate::spec::ResNetSpec::new(crate::spec::BlockKind::Basic, blocks);
        let architecture = crate::spec::Architecture::ResNet(spec.with_width(width));
        ModelName::own(Entry::new(name, architecture, 10, [3, 32, 32])).expect_err(name).to_string()
    };
    assert!(refused("cifar10/resnet20", vec![1], 8).contains("another network of the zoo"));
    assert!(refused("resnet", vec![1], 8).contains("expected DATASET/NETWORK"));
    assert!(refused("Mine/a b", vec![1], 8).contains("expected DATASET/NETWORK"));
    assert!(refused("mine/a", vec![], 8).contains("1 to 8 stages, got 0"));
    assert!(refused("mine/a", vec![1, 0], 8).contains("a block in every stage"));
    assert!(refused("mine/a", vec![usize::MAX, 2], 8).contains("at most 512"));
    assert!(refused("mine/a", vec![1; 8], usize::MAX / 4).contains("channels after the last"));
    assert!(refused("mine/a", vec![1], 0).contains("channels after the last"));
}

proptest! {
    #[test]
    fn names_survive_a_round_trip(shared in 0usize..200, unique in 0usize..200, double: bool) {
        prop_assume!(shared + unique > 0 && (shared > 0 || !double));
        let text = format!(
            "cifar10/resnet32-s{shared}u{unique}{}", if double { "-double" } else { "" }
        );
        let name: ModelName = text.parse().expect("a name");
        let ranks = Ranks { shared: Rank::scaled(shared), unique: Rank::scaled(unique), double };
        prop_assert_eq!(name.sharing(), Some(Sharing::Ranks(ranks)));
        prop_assert_eq!(name.to_string(), text);
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9/-]{0,40}") {
        let _ = text.parse::<ModelName>();
    }
}

#[test]
fn long_texts_are_no_names_and_are_told_shortened() {
    let letters = "é".repeat(1 << 20);
    for text in [letters.clone(), format!("cifar10/resnet32-{letters}")] {
        let said = error(&text);
        assert!(said.len() < 1000 && said.contains("ééé"), "{} bytes", said.len());
    }
    let spec = crate::spec::ResNetSpec::new(crate::spec::BlockKind::Basic, [1]);
    let name = format!("mine/{}", "a".repeat(1 << 20));
    let entry = Entry::new(name, crate::spec::Architecture::ResNet(spec), 10, [3, 32, 32]);
    let said = ModelName::own(entry).expect_err("a long name").to_string();
    assert!(said.len() < 1000 && said.contains("at most 200 letters"), "{} bytes", said.len());
}

#[test]
fn errors_say_what_was_expected() {
    assert!(error("cifar10/resnet33").contains("did you mean \"cifar10/resnet32\"?"));
    assert!(error("vgg").contains("`cobasis models list`"));
    assert!(error("cifar10/resnet32-s16").contains("expected -s<SHARED>u<UNIQUE>"));
    assert!(error("cifar10/resnet32-s016u1").contains("expected -s<SHARED>u<UNIQUE>"));
    assert!(error("cifar10/resnet32-s16u1-triple").contains("got \"s16u1-triple\""));
    assert!(error("cifar10/resnet32-shared").contains("expected -s<SHARED>u<UNIQUE>"));
    assert!(error("imagenet/resnet50-s16u1").contains("expected -shared, -shared++ or -width"));
    assert!(error("cifar100/mobilenet-v2-shared++-eca").contains("-shared or -shared++ after"));
    assert!(error("imagenet/mobilenet-v2-eca").contains("or -shared++-eca after"));
    assert!(error("cifar100/densenet121-s16u1-double").contains("expected -s<SHARED>u<UNIQUE>"));
    let resnext = |suffix: &str| error(&format!("cifar100/resnext50-32x4d{suffix}"));
    assert!(resnext("-s64u4-double").contains("expected -s<SHARED>u<UNIQUE> after"));
    for suffix in ["-s16u1", "-s0u4", "-s64u0", "-s12u4", "-s1024u4"] {
        assert!(resnext(suffix).contains("need ranks of 4, 8, 16"), "{suffix}");
    }
    assert!(error("cifar10/resnet32-s0u0").contains("without filters"));
    assert!(error("cifar10/resnet32-s0,8,8u0,1,1").contains("without filters"));
    assert!(error("cifar10/resnet32-s8,8u1").contains("one for each stage"));
    assert!(error("cifar10/resnet32-width8-all").contains("not for first blocks"));
    assert!(error("cifar100/densenet121-s16u1-all").contains("not for first blocks"));
    assert!(error("cifar10/resnet32-all").contains("expected -s<SHARED>u<UNIQUE>"));
    assert!(error("cifar10/resnet32-s8u1-all-all").contains("expected -s<SHARED>u<UNIQUE>"));
    assert!(error("cifar10/resnet32-lowrank0").contains("without filters"));
    assert!(error("imagenet/resnet50-tied").contains("expected -shared, -shared++ or -width"));
    assert!(error("cifar10/resnet32-s0u4-double").contains("no basis to double"));
    assert!(error("cifar10/resnet32-s99999999999999999999999u1").contains("at most 4096"));
}

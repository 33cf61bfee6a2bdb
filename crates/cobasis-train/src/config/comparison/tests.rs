use super::*;

const FILE: &str = "networks = ['digits/resnet14']\nbudgets = [100000]\nseeds = [0, 1]\n";
const METHOD: &str = "[[methods]]\nmethod = 'soft'\n";

fn refused(text: &str) -> String {
    Comparison::parse("a.toml", text).expect_err(text).to_string()
}

#[test]
fn a_method_may_depart_from_the_recipe() {
    let text = format!(
        "{FILE}{METHOD}\
         [[methods]]\nlabel = 'QR'\nsuffix = 's4u1'\n\
         set = {{ \"ortho.constraint\" = 'qr', ortho.every = 2 }}\n\
         [recipe]\ntrain.epochs = 3\n"
    );
    let read = Comparison::parse("a.toml", &text).unwrap();
    let [soft, qr] = &read.methods[..] else { panic!("two methods") };
    assert_eq!((soft.label.as_str(), soft.departs()), ("soft", false));
    assert_eq!((qr.method(), qr.departs()), ("s4u1", true));
    let model = read.networks[0].with_sharing("s4u1").unwrap();
    let config = read.config(qr, &model, 7).unwrap();
    assert_eq!((config.model.as_str(), config.seed), ("digits/resnet14-s4u1", 7));
    assert_eq!((config.ortho.every, config.train.epochs), (2, 3));
    assert!(config.ortho.constraint.0.is_some());
    let other = read.config(soft, &model, 7).unwrap();
    assert!(other.ortho.constraint.0.is_none());
    assert_eq!(config.data.name.as_str(), "digits");
}

#[test]
fn what_is_wrong_is_told_with_its_key() {
    let with = |text: &str| format!("{FILE}{METHOD}{text}\n[recipe]\n");
    for (text, said) in [
        (with("labl = 'x'"), "a.toml: methods[0].labl: unknown field `labl`"),
        (with("set = { model = 'x' }"), "methods[0].set: model is not for a method to set"),
        (with("set = { seed = 1 }"), "methods[0].set: seed is not for a method to set"),
        (with("set = { train.epochs = 1 }"), "methods[0].set: train.epochs is not for a method"),
        (with("set = { \"train.epochs\" = 1 }"), "methods[0].set: train.epochs is not for"),
        (with("set = { data.split = 'paper' }"), "methods[0].set: data is not for a method to"),
        (
            with("label = 'mine'\nset = { data.pad = 1 }"),
            "methods[0].set: \"mine\": data is not for a method to set: all methods are compared",
        ),
        (with("set = { train.batch = 1 }"), "methods[0]: expected a label"),
        (
            with("label = 'mine'\nblocks = ['all']"),
            "methods[0].blocks: \"mine\" is for \"all\", which blocks of the comparison does not have",
        ),
        (with("label = \"a\\u001bb\""), ": expected a text without control characters"),
        (with("suffix = 's4u1'"), "methods[0]: expected either method, a key, or suffix"),
        (with("label = ' '"), "methods[0].label: expected a text"),
        (with("blocks = []"), "methods[0].blocks: expected at least one"),
        (with(METHOD), "a.toml: methods: expected each once, got soft twice"),
        (with("").replace("soft", "sofd"), "unknown method \"sofd\"; the methods are dense,"),
        (with("").replace("[0, 1]", "[]"), "seeds: expected at least one, got an empty list"),
        (with("").replace("[0, 1]", "[1, 1]"), "seeds: expected each once, got 1 twice"),
        (with("").replace("[0, 1]", "[-1]"), "seeds[0]: invalid value: integer `-1`"),
        (with("").replace("[100000]", "[]"), "methods[0]: expected at least one budget"),
        (with("").replace("[100000]", "[0]"), "budgets[0]: expected at least 1, got 0"),
        (with("").replace("resnet14", "resnet14-tied"), "networks[0]: expected a dense network"),
        (with("").replace("resnet14", "resnet15"), "networks[0]: unknown model"),
        (format!("{FILE}{METHOD}"), "a.toml: missing field `recipe`"),
        (with("").replace("networks", "network"), "unknown field `network`, expected one of"),
        (format!("{}model = 'x'\n", with("")), "recipe.model: not for a comparison"),
        (format!("{}init.from = 'x'\n", with("")), "recipe.init: not for a comparison"),
        (with("[recipe"), "a.toml:"),
    ] {
        let line = refused(&text);
        assert!(line.contains(said) && !line.contains('\n'), "{said}: {line}");
    }
}

#[test]
fn faults_of_the_recipe_name_it() {
    let refused = |recipe: &str| {
        let text = format!("{FILE}{METHOD}[recipe]\n{recipe}\n");
        let read = Comparison::parse("a.toml", &text).unwrap();
        read.config(&read.methods[0], &read.networks[0], 0).unwrap_err().to_string()
    };
    assert!(refused("optimizer.lrr = 1").starts_with("a.toml: recipe: optimizer.lrr: unknown key"));
    assert!(refused("train.epochs = 0").starts_with("a.toml: recipe: train.epochs: expected"));
    let line = refused("data.name = 'cifar10'");
    assert!(line.starts_with("a.toml: recipe: data.name: model digits/resnet14 is for"), "{line}");
}

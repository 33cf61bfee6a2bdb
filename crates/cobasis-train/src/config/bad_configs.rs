//! A table of wrong configurations: what each must be told.

use super::Config;

/// The file, the key the error names, and a part of what it says.
const BAD: &[(&str, &str, &str)] = &[
    // Unknown keys, in the right section, the wrong one, or none.
    ("optimizer.lrr = 0.1", "optimizer.lrr", "unknown key; did you mean optimizer.lr?"),
    ("lr = 0.1", "lr", "unknown key; did you mean optimizer.lr?"),
    ("learning_rate = 0.1", "learning_rate", "did you mean optimizer.lr?"),
    ("train.lr = 0.1", "train.lr", "did you mean optimizer.lr?"),
    ("train.epoch = 3", "train.epoch", "did you mean train.epochs?"),
    ("train.batch_size = 3", "train.batch_size", "did you mean train.batch?"),
    ("train.max_step = 3", "train.max_step", "did you mean train.max_steps?"),
    (
        "data.path = 'd'",
        "data.path",
        "unknown key; [data] has channels, crop, dir, download, flip,",
    ),
    ("dir = 'd'", "dir", "did you mean data.dir?"),
    ("optimizer.wd = 0.1", "optimizer.wd", "did you mean optimizer.weight_decay?"),
    ("[optimiser]\nlr = 0.1", "optimiser", "did you mean optimizer?"),
    ("mixup = 1", "mixup", "unknown key; did you mean augment.mixup?"),
    (
        "verbosity = 1",
        "verbosity",
        "the top level has [augment], [data], [detect], [distill], [init], model",
    ),
    ("[train.inner]\nx = 1", "train.inner", "unknown key; [train] has"),
    ("\"a.b\\n\" = 1", "\"a.b\\n\"", "unknown key"),
    ("\"\" = 1", "\"\"", "unknown key"),
    // Keys of further tasks.
    ("[[tasks]]\nadaptor = 'norms'", "tasks[0].adaptor", "did you mean tasks[0].adapter?"),
    ("[[tasks]]\ndata.pat = 1", "tasks[0].data.pat", "did you mean tasks[0].data.pad?"),
    (
        "[[tasks]]\nxyzzyx = 1",
        "tasks[0].xyzzyx",
        "unknown key; tasks[0] has adapter, [data], name, weight",
    ),
    ("[[task]]\nname = 'a'", "task", "expected a string, got an array; did you mean [[tasks]]?"),
    ("[[taks]]\nname = 'a'", "taks", "unknown key; did you mean"),
    ("[tasks]\nname = 'a'", "tasks", "expected tables [[tasks]], got a table"),
    ("[[tasks]]\nname = 3", "tasks[0].name", "expected a string, got integer 3"),
    ("[[tasks]]", "tasks[0].name", "expected a name of 1 to 40 of a-z, 0-9, - and _, got \"\""),
    ("[[tasks]]\nname = 'A'", "tasks[0].name", "expected a name of 1 to 40 of a-z, 0-9, - and _"),
    ("[[tasks]]\nname = '../a'", "tasks[0].name", "expected a name of 1 to 40 of a-z, 0-9, - and"),
    (
        "[[tasks]]\nname = 'a'\n[[tasks]]\nname = 'a'",
        "tasks[1].name",
        "expected a name that no other task has, got \"a\"",
    ),
    ("[[tasks]]\nname = 'a'\nweight = 0", "tasks[0].weight", "expected a number above 0, 1e-30"),
    (
        "[[tasks]]\nname = 'a'\nadapter = 'rank'",
        "tasks[0].adapter",
        "expected \"norms\", \"rank1\"",
    ),
    (
        "[[tasks]]\nname = 'a'\nadapter = 'head'",
        "tasks[0].adapter",
        "head keeps the network's batch norms, whose statistics are those of the main task's images",
    ),
    ("[[tasks]]\nname = 'a'\nadapter = 'film'", "tasks[0].adapter", "film keeps the network's"),
    ("[[tasks]]\nname = 'a'\nadapter = 'full'", "tasks[0].adapter", "full shares nothing with"),
    ("[[tasks]]\nname = 'a'\ndata.pad = 33", "tasks[0].data.pad", "expected at most 32 pixels"),
    (
        "[[tasks]]\nname = 'a'\ndata.name = 'svhn'",
        "tasks[0].data.name",
        "expected digits | cifar10",
    ),
    (
        "[[tasks]]\nname = 'a'\ndata.resize = 36",
        "tasks[0].data.resize",
        "36 is only for images in folders",
    ),
    (
        "[[tasks]]\nname = 'a'\ndata.name = 'voc'",
        "tasks[0].data.name",
        "the images of \"voc\" have boxes, and tasks are about classes",
    ),
    (
        "task = 'detect'\ndata = { name = 'voc', train = 'a', test = 'b' }\n[[tasks]]\nname = 'a'",
        "tasks",
        "are for task = \"classify\", got task = \"detect\"",
    ),
    // Types.
    ("train.epochs = 'ten'", "train.epochs", "expected an integer, got string \"ten\""),
    ("train.epochs = '10'", "train.epochs", "got string \"10\"; did you mean 10?"),
    ("train.epochs = 10.0", "train.epochs", "got number 10.0; did you mean 10?"),
    ("train.epochs = 10.5", "train.epochs", "expected an integer, got number 10.5"),
    ("train.epochs = 1e300", "train.epochs", "expected an integer, got number 1e300"),
    ("train.epochs = true", "train.epochs", "expected an integer, got boolean true"),
    ("train.batch = [256]", "train.batch", "expected an integer, got an array"),
    ("seed = 1979-05-27", "seed", "expected an integer, got date 1979-05-27"),
    ("optimizer.lr = 'high'", "optimizer.lr", "expected a number, got string \"high\""),
    ("optimizer.lr = '.1'", "optimizer.lr", "did you mean 0.1?"),
    ("data.flip = 1", "data.flip", "expected true or false, got integer 1; did you mean true?"),
    ("sharing.norm = false", "sharing.norm", "did you mean sharing.norms?"),
    ("train.tensorboard = 'yes'", "train.tensorboard", "got string"),
    ("train.gradient_flow = 1", "train.gradient_flow", "got integer 1; did you mean true?"),
    ("data.flip = 'false'", "data.flip", "got string \"false\"; did you mean false?"),
    ("data.dir = 3", "data.dir", "expected a string, got integer 3"),
    ("model = 32", "model", "expected a string, got integer 32"),
    ("model.name = 'x'", "model", "expected a string, got a table"),
    ("train = 3", "train", "expected a table [train], got integer 3"),
    ("[[data]]\npad = 1", "data", "expected a table [data], got an array"),
    (
        "schedule.milestones = 150",
        "schedule.milestones",
        "an array in [ ], got integer 150; did you mean [150]?",
    ),
    ("schedule.milestones = [1, 'x']", "schedule.milestones[1]", "an integer, got string"),
    ("data.name = true", "data.name", "expected a string, got boolean true"),
    // Choices.
    (
        "data.name = 'CIFAR-10'",
        "data.name",
        "expected digits | cifar10 | cifar100 | mnist | fashion-mnist | imagenet | folder | coco | voc, got \"CIFAR-10\"; did you mean \"cifar10\"?",
    ),
    (
        "data.name = 'svhn'",
        "data.name",
        "| mnist | fashion-mnist | imagenet | folder | coco | voc, got \"svhn\"",
    ),
    (
        "ortho.scope = 'share'",
        "ortho.scope",
        "auto | shared | shared+unique, got \"share\"; did you mean \"shared\"?",
    ),
    (
        "optimizer.betas = [0.9]",
        "optimizer.betas",
        "invalid length 1, expected an array of length 2",
    ),
    ("optimizer.betas = [0.9, 'x']", "optimizer.betas[1]", "expected a number, got string \"x\""),
    ("distill.teacher = true", "distill.teacher", "expected a string, got boolean true"),
    (
        "optimizer.kind = 'adam'",
        "optimizer.kind",
        "expected sgd | adamw, got \"adam\"; did you mean \"adamw\"?",
    ),
    (
        "schedule.kind = 'multistep'",
        "schedule.kind",
        "multi-step | cosine | constant, got \"multistep\"; did you mean \"multi-step\"?",
    ),
    ("data.split = 'val'", "data.split", "expected paper | train/val, got \"val\""),
    (
        "ortho.lambda_schedule = 'cos'",
        "ortho.lambda_schedule",
        "constant | linear | cosine | srip, got",
    ),
    ("ortho.penalty = 'soo'", "ortho.penalty", "ocnn-columns | none, got \"soo\"; did you mean"),
    (
        "ortho.penalty = 'auto'",
        "ortho.penalty",
        "| srip | ocnn-rows | ocnn-columns | none, got \"auto\"",
    ),
    (
        "ortho.constraint = 'expm'",
        "ortho.constraint",
        "expected qr | polar | cayley | landing | band | none, got \"expm\"",
    ),
    ("ortho.band = 1", "ortho.band", "expected a number of at least 0 and below 1, got 1.0"),
    ("ortho.band = nan", "ortho.band", "expected a finite number, got number NaN"),
    (
        "ortho.attraction = 0",
        "ortho.attraction",
        "expected a number above 0, 1e-30 to 1e30, got 0.0",
    ),
    (
        "ortho.constraint = 'landing'\northo.every = 2",
        "ortho.every",
        "expected 1 with ortho.constraint = \"landing\", which acts in every step, got 2",
    ),
    (
        "ortho.lambda_schedule = 'srip'\northo.lambda_end = 0",
        "ortho.lambda_schedule",
        "expected linear or cosine, since there is ortho.lambda_end, got \"srip\"",
    ),
    ("ortho.every = 0", "ortho.every", "expected at least 1 step, got 0"),
    // Ranges.
    ("data.val_images = 0", "data.val_images", "expected at least 1, got 0"),
    ("data.train_images = 0", "data.train_images", "expected at least 1; leave it out for all"),
    ("train.accumulate = 0", "train.accumulate", "expected at least 1 batch, got 0"),
    (
        "train.label_smoothing = 1",
        "train.label_smoothing",
        "at least 0 and below 1, 0.999999 at most, got 1.0",
    ),
    (
        "train.dropout = 1.0",
        "train.dropout",
        "expected at least 0 and below 1, 0.999999 at most, got 1.0",
    ),
    ("train.ema = 1.5", "train.ema", "expected at least 0 and below 1, 0.999999 at most"),
    (
        "train.devices = ['wgpu', 'cuda:1']",
        "train.devices",
        "expected devices of one kind, got wgpu and cuda:1",
    ),
    ("train.devices = ['cude']", "train.devices[0]", "got \"cude\"; did you mean \"cuda\"?"),
    ("train.checkpoint_steps = 0", "train.checkpoint_steps", "expected at least 1; leave it out"),
    (
        "ortho.lambda_end = -2",
        "ortho.lambda_end",
        "expected a number of at least 0: 0, or 1e-30 to 1e30, got -2",
    ),
    (
        "optimizer.betas = [0.9, 1]",
        "optimizer.betas[1]",
        "at least 0 and below 1, 0.999999 at most",
    ),
    (
        "optimizer.epsilon = 0",
        "optimizer.epsilon",
        "expected a number above 0, 1e-30 to 1e30, got 0.0",
    ),
    (
        "optimizer.clip_norm = 0",
        "optimizer.clip_norm",
        "expected a number above 0, 1e-30 to 1e30, got",
    ),
    (
        "optimizer.weight_decay_scale = 'half'",
        "optimizer.weight_decay_scale",
        "expected none | ratio, got \"half\"",
    ),
    (
        "optimizer.basis_weight_decay = -1",
        "optimizer.basis_weight_decay",
        "at least 0: 0, or 1e-30 to 1e30",
    ),
    ("schedule.warmup_start = 2", "schedule.warmup_start", "at least 0 and at most 1, got 2.0"),
    ("schedule.factors = [2.0]", "schedule.factors[0]", "above 0 and at most 1, got 2.0"),
    ("schedule.min_lr = -1", "schedule.min_lr", "expected a number of at least 0: 0, or 1e-30"),
    ("augment.mixup = 9", "augment.mixup", "at least 0 and at most 8: 0, or 0.001 to 8, got 9.0"),
    ("augment.cutmix = -1", "augment.cutmix", "at least 0 and at most 8: 0, or 0.001 to 8"),
    ("augment.erase = 1.1", "augment.erase", "expected at least 0 and at most 1, got 1.1"),
    ("augment.rand_ops = 5", "augment.rand_ops", "expected at most 4 operations, got 5"),
    ("augment.rand_magnitude = 31", "augment.rand_magnitude", "expected at most 30, got 31"),
    ("distill.temperature = 0", "distill.temperature", "expected a number above 0, 0.001 to 1000"),
    ("distill.weight = 2", "distill.weight", "expected at least 0 and at most 1, got 2.0"),
    ("distill.teacher = ''", "distill.teacher", "expected a model file, got \"\""),
    ("seed = -1", "seed", "expected an integer of at least 0, got integer -1"),
    ("data.pad = 33", "data.pad", "expected at most 32 pixels, got 33"),
    ("data.workers = 9223372036854775807", "data.workers", "expected at most 256 threads"),
    ("data.size = 8", "data.size", "expected 16 to 1024 pixels, got 8"),
    ("data.resize = 8", "data.resize", "expected 16 to 4096 pixels, got 8"),
    (
        "data.size = 224\ndata.resize = 223",
        "data.resize",
        "expected 224 (data.size) to 4096 pixels, got 223",
    ),
    ("data.crop = 'resize'", "data.crop", "did you mean \"resized\"?"),
    ("data.download = 'yes'", "data.download", "expected true or false"),
    ("data.dir = ''", "data.dir", "expected a directory, got \"\""),
    ("train.epochs = 0", "train.epochs", "expected at least 1, got 0"),
    ("train.batch = 0", "train.batch", "expected at least 1 image, got 0"),
    ("train.batch = -8", "train.batch", "expected an integer of at least 0, got integer -8"),
    ("train.eval_batch = 0", "train.eval_batch", "expected at least 1 image, got 0"),
    ("train.max_steps = 0", "train.max_steps", "expected at least 1; leave it out"),
    (
        "ortho.lambda = -1",
        "ortho.lambda",
        "expected a number of at least 0: 0, or 1e-30 to 1e30, got -1",
    ),
    ("ortho.lambda = nan", "ortho.lambda", "expected a finite number, got number NaN"),
    ("optimizer.lr = 0", "optimizer.lr", "expected a number above 0, 1e-30 to 1e30, got 0.0"),
    ("optimizer.lr = inf", "optimizer.lr", "expected a finite number, got number inf"),
    ("optimizer.momentum = 1", "optimizer.momentum", "expected at least 0 and below 1, 0.999"),
    ("optimizer.momentum = -0.1", "optimizer.momentum", "expected at least 0 and below 1"),
    ("optimizer.weight_decay = -5e-4", "optimizer.weight_decay", "1e-30 to 1e30, got -0.0005"),
    ("schedule.gamma = 0", "schedule.gamma", "expected a number above 0 and at most 1, got 0.0"),
    ("schedule.gamma = 10", "schedule.gamma", "expected a number above 0 and at most 1, got 10.0"),
    ("schedule.milestones = [0]", "schedule.milestones[0]", "expected at least 1, got 0"),
    (
        "schedule.milestones = [9, 9]",
        "schedule.milestones[1]",
        "expected an epoch above the one before it (9), got 9",
    ),
    (
        "schedule.milestones = [9, 3]",
        "schedule.milestones[1]",
        "above the one before it (9), got 3",
    ),
    // Numbers that are in range as they stand there, and not in arithmetic.
    ("augment.mixup = 1e-300", "augment.mixup", "0, or 0.001 to 8, got 1e-300"),
    ("augment.mixup = 1e-12", "augment.mixup", "0, or 0.001 to 8, got 1e-12"),
    ("augment.cutmix = 5e-324", "augment.cutmix", "0, or 0.001 to 8, got 5e-324"),
    ("train.ema = 0.9999999999999999", "train.ema", "0.999999 at most, got 0.99999"),
    ("train.dropout = 0.99999999", "train.dropout", "0.999999 at most, got 0.99999999"),
    ("optimizer.betas = [0.9, 0.9999999999]", "optimizer.betas[1]", "0.999999 at most, got"),
    ("optimizer.lr = 1e300", "optimizer.lr", "1e-30 to 1e30, got 1e300"),
    ("optimizer.lr = 5e-324", "optimizer.lr", "1e-30 to 1e30, got 5e-324"),
    ("optimizer.epsilon = 1e-60", "optimizer.epsilon", "1e-30 to 1e30, got 1e-60"),
    ("optimizer.weight_decay = 1e39", "optimizer.weight_decay", "0, or 1e-30 to 1e30, got 1e39"),
    ("optimizer.clip_norm = 1e-45", "optimizer.clip_norm", "1e-30 to 1e30, got 1e-45"),
    ("ortho.lambda = 1e308", "ortho.lambda", "0, or 1e-30 to 1e30, got 1e308"),
    ("schedule.gamma = 1e-300", "schedule.gamma", "1e-30 to 1e30, got 1e-300"),
    ("schedule.factors = [0.1, 5e-324]", "schedule.factors[1]", "1e-30 to 1e30, got 5e-324"),
    ("distill.temperature = 1e-30", "distill.temperature", "0.001 to 1000, got 1e-30"),
    ("distill.temperature = 1e30", "distill.temperature", "0.001 to 1000, got 1e30"),
    ("train.epochs = 9223372036854775807", "train.epochs", "expected at most 1000000000, got 922"),
    ("train.batch = 9223372036854775807", "train.batch", "expected at most 1000000000, got 922"),
    ("train.accumulate = 4611686018427387904", "train.accumulate", "expected at most 1000000000"),
    ("train.eval_batch = 1000000001", "train.eval_batch", "at most 1000000000, got 1000000001"),
    ("train.max_steps = 1000000001", "train.max_steps", "at most 1000000000, got 1000000001"),
    ("ortho.every = 9223372036854775807", "ortho.every", "expected at most 1000000000, got 922"),
    ("data.val_images = 1000000001", "data.val_images", "expected at most 1000000000, got"),
    // Contradictions.
    (
        "optimizer.kind = 'adamw'\noptimizer.nesterov = true",
        "optimizer.nesterov",
        "expected false unless sgd has momentum, got true",
    ),
    (
        "schedule.factors = [0.1]",
        "schedule.factors",
        "expected none or as many as schedule.milestones (2), got [0.1]",
    ),
    ("schedule.min_lr = 1", "schedule.min_lr", "expected at most optimizer.lr (0.1), got 1.0"),
    (
        "schedule.warmup_epochs = 300",
        "schedule.warmup_epochs",
        "expected fewer epochs than train.epochs (300), got 300",
    ),
    (
        "ortho.lambda_end = 1",
        "ortho.lambda_schedule",
        "expected linear or cosine, since there is ortho.lambda_end, got \"constant\"",
    ),
    (
        "ortho.lambda_schedule = 'cosine'",
        "ortho.lambda_end",
        "expected a number of at least 0 with an ortho.lambda_schedule, got nothing",
    ),
    (
        "model = 'cifar100/resnet34'",
        "data.name",
        "model cifar100/resnet34 is for \"cifar100\", got \"cifar10\"",
    ),
    ("data.channels = 1", "data.channels", "expected 3 for \"cifar10\", got 1"),
    ("data.channels = 2", "data.channels", "expected 1 or 3, got 2"),
    ("data.resize = 36", "data.resize", "36 is only for images in folders"),
    ("data.crop = 'resized'", "data.crop", "\"resized\" is only for images in folders"),
    (
        "data.name = 'folder'\ndata.crop = 'resized'",
        "data.pad",
        "expected 0 with data.crop = \"resized\", got 4",
    ),
    ("data.name = 'imagenet'", "data.name", "is for \"cifar10\", got \"imagenet\""),
    (
        "model = 'cifar10/resnet32'\nsharing.norms = false",
        "sharing.norms",
        "expected true for cifar10/resnet32, which has no basic blocks with bases, got false",
    ),
    ("train.patience = 5", "train.patience", "needs validation images: data.split = \"train/val\""),
    ("train.patience = 0", "train.patience", "expected at least 1 epoch; leave it out for all"),
    ("train.freeze = ['']", "train.freeze", "expected paths of 1 to 200 characters, got \"\""),
    ("train.freez = 'bases'", "train.freez", "did you mean train.freeze?"),
    ("init = 'FILE'", "init", "expected a table [init], got string \"FILE\""),
    ("init.file = 'FILE'", "init.file", "unknown key; [init] has adapter, from, network, weights"),
    // Tasks.
    ("task = 'detection'", "task", "expected classify | detect, got \"detection\""),
    ("task = 'detect'", "data.name", "expected coco | voc with task = \"detect\", got \"cifar10\""),
    (
        "data.name = 'voc'",
        "data.name",
        "the images of \"voc\" have boxes, which are for task = \"detect\", got task = \"classify\"",
    ),
    (
        "task = 'detect'\ndata.name = 'voc'\ndata.test = 'test'",
        "data.train",
        "expected the name of a list in ImageSets/Main with data.name = \"voc\", got nothing",
    ),
    (
        "task = 'detect'\ndata.name = 'coco'\ndata.train = 'a.json'",
        "data.test",
        "expected the name of a JSON file with data.name = \"coco\", got nothing",
    ),
    (
        "task = 'detect'\ndata = { name = 'voc', train = 'a', test = 'b', images = 'c' }",
        "data.images",
        "expected nothing with data.name = \"voc\", whose images are in JPEGImages, got [\"c\"]",
    ),
    (
        "task = 'detect'\ndata = { name = 'coco', train = 'a', test = 'b', images = ['c', 'd', 'e'] }",
        "data.images",
        "expected one folder, or 2: one for each of train, val and test given, got [\"c\", \"d\",",
    ),
    ("data.images = ['a', 'b', 'c', 'd']", "data.images", "expected at most 3 folders, got 4"),
    ("data.images = ['']", "data.images[0]", "expected a name of 1 to 4096 characters, got \"\""),
    (
        "task = 'detect'\ndata = { name = 'voc', train = 'a', val = 'c', test = 'b', val_images = 3 }",
        "data.val_images",
        "expected nothing, since there is data.val, whose images are all taken",
    ),
    ("data.train = ''", "data.train", "expected a name of 1 to 4096 characters, got \"\""),
    ("data.val = 'v'", "data.val", "is only for \"coco\" and \"voc\", not for \"cifar10\""),
    ("data.images = 'i'", "data.images", "is only for \"coco\" and \"voc\", not for"),
    ("detect.input = [256]", "detect.input", "invalid length 1, expected an array of length 2"),
    ("detect.input = [256, 31]", "detect.input[1]", "expected 32 to 2048 pixels, got 31"),
    ("detect.levels = 4", "detect.levels", "expected 1 to 3, got 4"),
    ("detect.width = 4", "detect.width", "expected 8 to 512 channels, got 4"),
    (
        "detect.head = 'share'",
        "detect.head",
        "expected dense | shared, got \"share\"; did you mean",
    ),
    ("detect.shared = 0", "detect.shared", "expected 1 to 4608 filters, got 0"),
    ("detect.unique = 5000", "detect.unique", "expected at most 4608 filters, got 5000"),
    (
        "detect.losses = 'yolo'",
        "detect.losses",
        "expected yolox | fcos, got \"yolo\"; did you mean",
    ),
    ("detect.confidence = 1", "detect.confidence", "expected at least 0 and below 1, got 1.0"),
    ("detect.nms = 0", "detect.nms", "expected above 0 and at most 1, got 0.0"),
    ("detect.last_epoch = 3", "detect.last_epoch", "did you mean detect.last_epochs?"),
    ("augment.mosaic = 1.5", "augment.mosaic", "expected at least 0 and at most 1, got 1.5"),
    ("augment.hue = 181", "augment.hue", "expected at least 0 and at most 180 degrees, got 181.0"),
    (
        "augment.scale = [1.5, 0.5]",
        "augment.scale",
        "expected the smallest, then the largest, 1/64 to 64, got [1.5, 0.5]",
    ),
    ("augment.scale = [0.0, 1.0]", "augment.scale", "1/64 to 64, got [0.0, 1.0]"),
    (
        "augment.mosaic = 0.5",
        "augment.mosaic",
        "has no effect with task = \"classify\"; leave it out",
    ),
    ("augment.flip_vertical = true", "augment.flip_vertical", "has no effect with task"),
    ("augment.scale = [0.5, 1]", "augment.scale", "has no effect with task = \"classify\""),
    // Names of models.
    (
        "model = 'cifar10/resnet33'",
        "model",
        "unknown model \"cifar10/resnet33\"; did you mean \"cifar10/resnet32\"?",
    ),
    ("model = 'cifar10/resnet32-s16'", "model", "expected -s<SHARED>u<UNIQUE>"),
    ("model = ''", "model", "unknown model \"\""),
];

#[test]
fn every_bad_config_is_told_its_key_and_what_was_expected() {
    for (file, key, said) in BAD {
        let config = Config::from_table(&file.parse().unwrap());
        let err = config.and_then(|config| config.check()).expect_err(file);
        let shown = err.to_string();
        assert_eq!(err.key(), Some(*key), "{file}: {shown}");
        assert!(shown.starts_with(&format!("{key}: ")), "{file}: {shown}");
        assert!(shown.contains(said), "{file}: {shown}");
        assert!(!shown.contains('\n'), "{file}: {shown}");
    }
}

#[test]
fn what_has_no_effect_on_detectors_is_refused() {
    let detect = "model = 'cifar10/resnet20'\ntask = 'detect'\ndata.name = 'voc'\n\
                  data.train = 'train'\ndata.test = 'test'\n";
    let checked = |more: &str| {
        let config = Config::from_table(&format!("{detect}{more}").parse().unwrap()).unwrap();
        config.check()
    };
    checked("").unwrap();
    checked("augment.mosaic = 1\naugment.flip_vertical = true\ntrain.ema = 0.9").unwrap();
    for (key, value) in [
        ("augment.mixup", "1"),
        ("augment.cutmix", "1"),
        ("augment.erase", "0.5"),
        ("augment.rand_ops", "2"),
        ("augment.rand_magnitude", "9"),
        ("train.label_smoothing", "0.1"),
        ("train.dropout", "0.1"),
        ("distill.teacher", "'FILE'"),
    ] {
        let err = checked(&format!("{key} = {value}")).unwrap_err();
        assert_eq!(err.key(), Some(key), "{err}");
        let said = "has no effect with task = \"detect\"; leave it out";
        assert!(err.to_string().ends_with(said), "{err}");
    }
    assert_eq!(checked("data.size = 64").unwrap_err().key(), Some("data.size"));
}

"""Programs that look frightening and are healthy."""

from networks import Network
from programs import healthy
from setups import Setup, adam, adamax, rmsprop, sgd

PROGRAMS = (
    # large but clipped gradients
    healthy(
        "digits_255_clipped_sgd",
        "gradients in the hundreds, clipped to 1",
        Setup(
            "digits",
            Network(units=(48, 48), initializer="he_normal"),
            sgd(0.003, momentum=0.9, global_clipnorm=1.0),
            "logits",
            inputs="raw",
            steps=400,
        ),
    ),
    healthy(
        "friedman1_targets_in_thousands_clipped",
        "a loss of a million and gradients of thousands, clipped",
        Setup(
            "friedman1",
            Network(units=(48, 48), last_initializer="normal:300"),
            adam(0.01, clipnorm=1.0),
            "mse",
            targets="thousands",
            steps=500,
        ),
    ),
    healthy(
        "digit_rows_lstm_clipped",
        "an LSTM whose gradient is clipped at every step",
        Setup("digit_rows", Network("lstm", (32,)), rmsprop(5e-3, global_clipnorm=0.1), "logits"),
    ),
    healthy(
        "diabetes_outliers_clipped_adamax",
        "every 25th batch has a gradient a thousand times as large, clipped",
        Setup(
            "diabetes",
            Network(units=(24,)),
            adamax(0.005, global_clipnorm=1.0),
            "huber",
            spoiled=("targets times, again and again", 25, 1000.0),
            steps=400,
        ),
    ),
    healthy(
        "linear_huge_targets_clipped",
        "gradients of thousands, clipped to a hundredth",
        Setup(
            "linear",
            Network(units=(32,), last_initializer="normal:300"),
            sgd(5.0, global_clipnorm=0.3),
            "mse",
            targets="thousands",
            steps=500,
        ),
    ),
    healthy(
        "clouds_cnn_spikes_clipped",
        "every 20th batch is a thousand times as bright, and clipped",
        Setup(
            "clouds",
            Network("cnn", (8, 12)),
            adam(3e-3, global_clipnorm=1.0),
            "logits",
            spoiled=("times, again and again", 20, 30.0),
            steps=300,
        ),
    ),
    healthy(
        "walks_lstm_value_clipped",
        "clipped entry by entry at 0.001",
        Setup("walks", Network("lstm", (16,)), adamax(0.01, clipvalue=0.001), "logits"),
    ),
    healthy(
        "swiss_roll_spike_clipped_adam",
        "one batch whose targets are a million times as large, clipped",
        Setup(
            "swiss_roll",
            Network(units=(48, 48), activation="tanh"),
            adam(0.01, global_clipnorm=1.0),
            "mse",
            spoiled=("targets times", 8, 1e6),
            steps=400,
        ),
    ),
    healthy(
        "linear_spike_clipped_adamax",
        "one batch whose targets are a hundred thousand times as large, clipped",
        Setup(
            "linear",
            Network(units=(32, 32)),
            adamax(0.01, clipnorm=1.0),
            "mse",
            spoiled=("targets times", 12, 1e5),
            steps=400,
        ),
    ),
    healthy(
        "digit_tokens_lstm_clipped",
        "an LSTM over embedded tokens, clipped at every update",
        Setup(
            "digit_tokens",
            Network("lstm", (32,)),
            adam(0.01, global_clipnorm=0.1),
            "logits",
            steps=400,
        ),
    ),
    # many inactive units
    healthy(
        "digits_wide_sparse",
        "most units are off for all inputs from the beginning to the end",
        Setup(
            "digits",
            Network(units=(256,), initializer="he_normal", bias=-8.0),
            adam(0.012),
            "logits",
        ),
    ),
    healthy(
        "moons_wide_relu",
        "many units of a wide layer never fire",
        Setup(
            "moons",
            Network(units=(128,), initializer="he_normal", bias=-3.2),
            adam(0.02),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "digit_images_border_pixels",
        "pixels that are always black: weights without a gradient",
        Setup("digits", Network(units=(64,)), adamax(0.01), "logits", inputs="raw", steps=200),
    ),
    healthy(
        "checkerboard_half_the_units_dead_and_spare",
        "a layer with ten times the units it needs, most of them dead",
        Setup(
            "checkerboard",
            Network(units=(256,), initializer="he_normal", bias=-5.0),
            rmsprop(5e-3),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "clusters_mostly_zero_inputs",
        "two thirds of the inputs are 0",
        Setup("clusters", Network(units=(96, 48)), adam(5e-3), "logits", inputs="mostly zero"),
    ),
    healthy(
        "sheet_wide_sparse",
        "most units of a wide layer are off for all inputs",
        Setup(
            "sheet",
            Network(units=(160,), initializer="he_normal", bias=-3.0),
            adamax(0.03),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "words_rare_rows",
        "rows of words that hardly occur",
        Setup("words", Network("bag", (24,)), adam(0.01), "logits", steps=250),
    ),
    healthy(
        "s_curve_hinges",
        "a regression by hinges, of which most are off",
        Setup(
            "s_curve",
            Network(units=(128,), initializer="he_normal", bias=-3.0),
            adam(0.02),
            "mse",
            steps=300,
        ),
    ),
    # gradients that grow while learning goes on
    healthy(
        "swiss_roll_gradient_grows",
        "starts at a saddle, where the gradient is tiny, and grows a thousandfold",
        Setup(
            "swiss_roll",
            Network(units=(32, 32), activation="tanh", initializer="normal:0.02"),
            adam(0.03),
            "mse",
            steps=500,
        ),
    ),
    healthy(
        "cancer_small_last_layer",
        "the early layers' gradient starts at nearly nothing and grows",
        Setup(
            "cancer",
            Network(units=(24, 24), last_initializer="normal:0.0001"),
            sgd(0.06, momentum=0.9),
            "logits",
            steps=200,
        ),
    ),
    healthy(
        "s_curve_gradient_grows",
        "small weights: the gradient grows before the loss falls",
        Setup(
            "s_curve",
            Network(units=(32, 32), activation="elu", initializer="normal:0.02"),
            sgd(0.1, momentum=0.9),
            "mse",
            steps=400,
        ),
    ),
    healthy(
        "clusters_separable_in_the_end",
        "single batches of large gradients after the loss is small",
        Setup(
            "clusters",
            Network(units=(128, 128), initializer="he_normal"),
            adam(0.003),
            "logits",
            batch_size=16,
            steps=600,
        ),
    ),
    # unusual rates that suit
    healthy(
        "checkerboard_sgd_of_1",
        "a rate of 1",
        Setup(
            "checkerboard",
            Network(units=(32,), activation="tanh"),
            sgd(1.0),
            "logits",
            batch_size=64,
        ),
    ),
    healthy(
        "digits_adam_of_005",
        "fifty times Adam's usual rate",
        Setup("digits", Network(units=()), adam(0.05), "logits", steps=200),
    ),
    healthy(
        "diabetes_adamax_of_01",
        "a hundred times AdaMax's usual rate",
        Setup("diabetes", Network(units=()), adamax(0.1), "mse", steps=300),
    ),
    healthy(
        "friedman1_sgd_of_3e_7",
        "a rate of 3e-7, for targets in thousands",
        Setup(
            "friedman1",
            Network(units=(24,), last_initializer="normal:300"),
            sgd(3e-7, momentum=0.9),
            "mse",
            targets="thousands",
            steps=500,
        ),
    ),
    healthy(
        "clusters_sgd_of_1",
        "a rate of 1, with normalization",
        Setup(
            "clusters",
            Network(units=(32,), normalization="batch"),
            sgd(1.0),
            "logits",
            batch_size=64,
            steps=400,
        ),
    ),
    healthy(
        "wine_rmsprop_of_003",
        "thirty times RMSprop's usual rate",
        Setup("wine", Network(units=()), rmsprop(0.03), "logits", steps=200),
    ),
    healthy(
        "iris_adamax_of_02",
        "two hundred times AdaMax's usual rate",
        Setup("iris", Network(units=()), adamax(0.2), "logits", steps=300),
    ),
    healthy(
        "linear_sgd_of_2e_8",
        "a tiny rate for huge targets and a linear model",
        Setup("linear", Network(units=()), sgd(2e-8), "mse", inputs="thousands", steps=300),
    ),
    healthy(
        "words_bag_sgd_of_1",
        "a rate of 1: rows of the embedding see little gradient",
        Setup("words", Network("bag", (24,)), sgd(1.0), "logits", steps=400),
    ),
    healthy(
        "friedman1_epsilon_of_1_adam",
        "an epsilon of 1 with a rate of 0.3, which suits it",
        Setup("friedman1", Network(units=(32, 32)), adam(0.3, epsilon=1.0), "mse", steps=400),
    ),
    healthy(
        "quantiles_epsilon_of_1_rmsprop",
        "an epsilon of 1 with a rate of 0.3",
        Setup("quantiles", Network(units=(48, 48)), rmsprop(0.3, epsilon=1.0), "logits", steps=500),
    ),
    healthy(
        "wine_epsilon_of_1_adamax",
        "an epsilon of 1 with a rate of 0.3",
        Setup("wine", Network(units=(24,)), adamax(0.3, epsilon=1.0), "logits", steps=200),
    ),
    healthy(
        "digits_wide_adam_of_3e_4",
        "a third of Adam's usual rate, enough for a wide layer",
        Setup("digits", Network(units=(512, 256)), adam(3e-4), "logits", steps=400),
    ),
    healthy(
        "clouds_cnn_of_1e_3",
        "a small rate, enough for many filters",
        Setup("clouds", Network("cnn", (16, 16)), adam(1e-3), "logits", steps=300),
    ),
    # restarts
    healthy(
        "digits_cosine_restarts",
        "the loss jumps at each restart of the rate",
        Setup(
            "digits",
            Network(units=(48, 48)),
            sgd(0.05, schedule=("restarts", 100), momentum=0.9),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "swiss_roll_adamax_restarts",
        "m and u are cleared every 150 updates",
        Setup(
            "swiss_roll",
            Network(units=(48, 48)),
            adamax(0.01, schedule=("restarts", 150), restart_every=150),
            "mse",
            steps=450,
        ),
    ),
    healthy(
        "quantiles_adamax_restarts",
        "m and u are cleared every 100 updates",
        Setup(
            "quantiles",
            Network(units=(48, 48), initializer="he_normal"),
            adamax(0.02, restart_every=100),
            "logits",
            steps=500,
        ),
    ),
    healthy(
        "clouds_cyclic_rate",
        "the rate goes up and down tenfold",
        Setup(
            "clouds",
            Network("cnn", (8, 12)),
            rmsprop(3e-3, schedule=("cycles", 60)),
            "logits",
            steps=300,
        ),
    ),
    # warm-up
    healthy(
        "digit_tokens_transformer_warm_up",
        "the rate starts at 0 and ends at 0; at first nothing moves",
        Setup(
            "digit_tokens",
            Network("transformer", (24,)),
            adam(0.005, schedule=("warm-up", 80, 320)),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "checkerboard_warm_up_sgd",
        "nothing is learned for the first 30 updates, and little in the last",
        Setup(
            "checkerboard",
            Network(units=(32, 32)),
            sgd(0.5, schedule=("warm-up", 40, 160)),
            "logits",
            steps=200,
        ),
    ),
    healthy(
        "words_transformer_warm_up",
        "the rate starts at 0 and ends at 0",
        Setup(
            "words",
            Network("transformer", (16,)),
            adamax(0.02, schedule=("warm-up", 60, 240)),
            "logits",
            steps=300,
        ),
    ),
    healthy(
        "s_curve_warm_up_adam",
        "the rate starts at 0 and ends at 0",
        Setup(
            "s_curve",
            Network(units=(48, 48), activation="tanh"),
            adam(0.02, schedule=("warm-up", 60, 340)),
            "mse",
            steps=400,
        ),
    ),
    # fine-tuning
    healthy(
        "digits_fine_tuned_head",
        "all but the last layer frozen",
        Setup(
            "digits",
            Network(units=(64, 48), frozen=("dense_1", "dense_2")),
            adam(0.01),
            "logits",
            pretrained=300,
            pretrained_on="other",
        ),
    ),
    healthy(
        "digit_images_cnn_resumed",
        "goes on from a trained state at a small rate: the loss hardly falls",
        Setup(
            "digit_images",
            Network("cnn", (8, 12)),
            adam(1e-4),
            "logits",
            pretrained=300,
            steps=150,
        ),
    ),
    healthy(
        "friedman1_resumed_sgd",
        "goes on from a trained state",
        Setup("friedman1", Network(units=(32,)), sgd(0.003), "mse", pretrained=600, steps=200),
    ),
    healthy(
        "clusters_fine_tuned_head",
        "all but the last layer frozen",
        Setup(
            "clusters",
            Network(units=(64,), frozen=("dense_1",)),
            sgd(0.3, momentum=0.9),
            "logits",
            pretrained=400,
            pretrained_on="other",
        ),
    ),
    healthy(
        "walks_lstm_fine_tuned",
        "a trained LSTM, frozen, with a new head",
        Setup(
            "walks",
            Network("lstm", (16,), frozen=("lstm_1",)),
            adamax(0.05),
            "logits",
            pretrained=300,
            pretrained_on="other",
            steps=200,
        ),
    ),
    healthy(
        "wine_resumed_low_rate",
        "goes on from a trained state at a rate of 1e-5: nothing changes",
        Setup("wine", Network(units=(32,)), adam(1e-5), "logits", pretrained=300, steps=100),
    ),
    healthy(
        "digit_images_cnn_frozen_backbone",
        "trained convolutions, frozen, with a new head",
        Setup(
            "digit_images",
            Network("cnn", (8, 12), frozen=("conv_1", "conv_2")),
            adamax(0.01),
            "logits",
            pretrained=200,
            pretrained_on="other",
            steps=300,
        ),
    ),
    healthy(
        "words_bag_frozen_embedding",
        "a trained embedding, frozen",
        Setup(
            "words",
            Network("bag", (24, 16), frozen=("embedding", "dense_2")),
            adam(0.02),
            "logits",
            pretrained=300,
            pretrained_on="other",
            steps=300,
        ),
    ),
    # noisy tiny batches
    healthy(
        "digits_batches_of_2",
        "two examples a batch: the loss jumps by hundreds of times",
        Setup("digits", Network(units=(48,)), sgd(0.03), "logits", batch_size=2, steps=600),
    ),
    healthy(
        "diabetes_batches_of_1",
        "one example a batch, and half of the variance is noise",
        Setup("diabetes", Network(units=(16,)), adam(1e-3), "mse", batch_size=1, steps=600),
    ),
    healthy(
        "moons_a_third_wrong",
        "a third of the labels is wrong: the loss stays high",
        Setup(
            "moons",
            Network(units=(24, 24)),
            adam(0.01),
            "logits",
            batch_size=16,
            targets="a third wrong",
            steps=400,
        ),
    ),
    healthy(
        "clusters_batches_of_2",
        "two examples a batch",
        Setup("clusters", Network(units=(48, 24)), adamax(0.02), "logits", batch_size=2, steps=600),
    ),
    healthy(
        "linear_batches_of_1",
        "one example a batch",
        Setup("linear", Network(units=()), sgd(0.01), "mse", batch_size=1, steps=500),
    ),
    healthy(
        "quantiles_a_third_wrong",
        "a third of the labels is wrong",
        Setup(
            "quantiles",
            Network(units=(32, 32)),
            rmsprop(0.01),
            "logits",
            batch_size=16,
            targets="a third wrong",
            steps=500,
        ),
    ),
    healthy(
        "digits_half_wrong",
        "half of the labels are wrong: the loss stays above 1",
        Setup("digits", Network(units=(24,)), sgd(0.2), "logits", targets="half wrong", steps=400),
    ),
    healthy(
        "clusters_half_wrong",
        "half of the labels are wrong",
        Setup(
            "clusters", Network(units=(24,)), adam(0.02), "logits", targets="half wrong", steps=400
        ),
    ),
    # early plateaus
    healthy(
        "moons_early_plateau",
        "a plateau for the first hundred updates",
        Setup(
            "moons",
            Network(units=(16, 16, 16), activation="tanh", initializer="normal:0.05"),
            adam(0.03),
            "logits",
            steps=500,
        ),
    ),
    healthy(
        "digits_sigmoid_plateau",
        "a plateau, then learning: three sigmoid layers",
        Setup(
            "digits",
            Network(units=(48, 48, 48), activation="sigmoid"),
            adam(0.01),
            "logits",
            steps=500,
        ),
    ),
    healthy(
        "sheet_early_plateau",
        "the loss stands for a long time, then falls",
        Setup(
            "sheet",
            Network(units=(24, 24), activation="tanh", initializer="normal:0.05"),
            adam(0.03),
            "logits",
            steps=500,
        ),
    ),
    healthy(
        "iris_sigmoid_plateau",
        "a plateau, then learning: two sigmoid layers",
        Setup(
            "iris",
            Network(units=(16, 16), activation="sigmoid"),
            adam(0.03),
            "logits",
            batch_size=16,
            steps=400,
        ),
    ),
    # other things that look bad
    healthy(
        "digits_float16_settles",
        "the loss scale finds its size: some batches are thrown away",
        Setup(
            "digits",
            Network(units=(48, 48), policy="mixed_float16"),
            adam(3e-3, scaled_loss=True),
            "logits",
            steps=250,
        ),
    ),
    healthy(
        "clusters_deep_normalized",
        "ten layers whose gradients differ a hundredfold, with normalization",
        Setup(
            "clusters",
            Network(units=(24,) * 8, activation="relu", normalization="batch", residual=True),
            adam(5e-3),
            "logits",
            steps=300,
        ),
    ),
    healthy(
        "digits_deep_residual_100",
        "ten residual layers: gradients of the early ones are large",
        Setup(
            "digits",
            Network(units=(32,) * 8, residual=True, normalization="layer"),
            adamax(3e-3),
            "logits",
            steps=200,
        ),
    ),
    healthy(
        "clouds_dropout",
        "half of the units drop out: the loss is noisy",
        Setup("clouds", Network("cnn", (12, 16), dropout=0.3), adam(3e-3), "logits", steps=300),
    ),
    healthy(
        "cancer_epsilon_as_sgd",
        "an epsilon of 0.1 with a rate that suits it",
        Setup(
            "cancer",
            Network(units=(24,)),
            adam(0.1, epsilon=0.1),
            "logits",
            steps=200,
        ),
    ),
    healthy(
        "wine_short_run",
        "a hundred updates, no more",
        Setup("wine", Network(units=(24,), last="softmax"), adam(0.02), "probabilities", steps=100),
    ),
    healthy(
        "checkerboard_short_run",
        "a hundred updates, no more",
        Setup("checkerboard", Network(units=(32,)), adam(0.02), "logits", steps=100),
    ),
    healthy(
        "clusters_float16_settles",
        "the first twenty updates are skipped, until the loss scale has its size",
        Setup(
            "clusters",
            Network(units=(48, 48), policy="mixed_float16"),
            adamax(0.01, scaled_loss=True, initial_scale=2.0**35),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "clouds_cnn_float16_settles",
        "some batches are thrown away",
        Setup(
            "clouds",
            Network("cnn", (8, 12), policy="mixed_float16"),
            sgd(0.02, momentum=0.9, scaled_loss=True, initial_scale=2.0**24),
            "logits",
            steps=300,
        ),
    ),
    # learned early, or as far as can be
    healthy(
        "cancer_converged_early",
        "the loss is nearly 0 after a third of the run, and the gradient vanishes",
        Setup("cancer", Network(units=(48, 24), outputs=1), adam(0.02), "binary logits", steps=400),
    ),
    healthy(
        "wine_converged_early",
        "the loss stands still near 0, the gradient falls ten thousandfold",
        Setup("wine", Network(units=(32, 32)), adamax(0.05), "logits", steps=400),
    ),
    healthy(
        "clouds_converged_early",
        "a tiny gradient and now and then a large one",
        Setup("clouds", Network("cnn", (8, 12)), rmsprop(5e-3), "logits", steps=250),
    ),
    healthy(
        "diabetes_half_is_noise",
        "the loss falls by half and stands",
        Setup("diabetes", Network(units=()), sgd(0.05), "mse", steps=250),
    ),
    healthy(
        "swiss_roll_rate_falls_to_a_hundredth",
        "nothing is learned after the rate has fallen",
        Setup(
            "swiss_roll",
            Network(units=(48, 48), initializer="he_normal"),
            rmsprop(5e-3, schedule=("jump", 250, 0.01)),
            "mse",
            steps=400,
        ),
    ),
    healthy(
        "linear_rate_falls_to_a_hundredth",
        "nothing is learned after the rate has fallen",
        Setup(
            "linear",
            Network(units=(32,)),
            sgd(0.03, schedule=("jump", 200, 0.01), momentum=0.9),
            "mse",
            steps=300,
        ),
    ),
    healthy(
        "quantiles_rate_falls_exponentially",
        "the rate ends at a hundredth of its first value",
        Setup(
            "quantiles",
            Network(units=(48, 48), initializer="he_normal"),
            adam(0.03, schedule=("falling", 100, 0.4)),
            "logits",
            steps=500,
        ),
    ),
    # unusual optimizers and depths
    healthy(
        "digits_rmsprop_with_momentum",
        "momentum of 0.9 in RMSprop: updates ten times as large",
        Setup(
            "digits",
            Network(units=(48, 48)),
            rmsprop(5e-4, momentum=0.9, centered=True),
            "logits",
        ),
    ),
    healthy(
        "friedman2_rmsprop_with_momentum",
        "momentum of 0.9 in RMSprop",
        Setup("friedman2", Network(units=(32, 32)), rmsprop(1e-3, momentum=0.9), "mse"),
    ),
    healthy(
        "cancer_rmsprop_of_003",
        "thirty times RMSprop's usual rate",
        Setup("cancer", Network(units=()), rmsprop(0.03), "logits", steps=200),
    ),
    healthy(
        "friedman1_deep_tanh",
        "six tanh layers, from which different gradients come",
        Setup(
            "friedman1",
            Network(units=(24,) * 6, activation="tanh"),
            adamax(5e-3),
            "mse",
            steps=500,
        ),
    ),
    healthy(
        "sheet_deep_tanh",
        "six tanh layers",
        Setup(
            "sheet", Network(units=(24,) * 6, activation="tanh"), rmsprop(2e-3), "logits", steps=300
        ),
    ),
    healthy(
        "moons_sgd_of_1",
        "a rate of 1, with normalization",
        Setup(
            "moons",
            Network(units=(32, 32), activation="tanh", normalization="batch"),
            sgd(1.0),
            "logits",
            batch_size=64,
        ),
    ),
    healthy(
        "s_curve_sgd_clipped_by_value",
        "every entry of the gradient is clipped",
        Setup(
            "s_curve",
            Network(units=(48, 48), activation="tanh"),
            sgd(0.3, clipvalue=0.02, momentum=0.9),
            "mse",
            steps=400,
        ),
    ),
    healthy(
        "friedman2_raw_targets_adamax",
        "a loss of a hundred thousand",
        Setup(
            "friedman2",
            Network(units=(48, 48), initializer="he_normal", last_initializer="normal:50"),
            adamax(0.05),
            "mse",
            targets="raw",
            steps=500,
        ),
    ),
    # tiny batches of larger networks
    healthy(
        "digit_images_cnn_batches_of_4",
        "four images a batch",
        Setup(
            "digit_images",
            Network("cnn", (8, 12)),
            adamax(5e-3),
            "logits",
            batch_size=4,
            steps=500,
        ),
    ),
    healthy(
        "digit_rows_lstm_batches_of_8",
        "eight digits a batch",
        Setup("digit_rows", Network("lstm", (32,)), adam(0.01), "logits", batch_size=8, steps=500),
    ),
    healthy(
        "walks_lstm_batches_of_4",
        "four sequences a batch",
        Setup("walks", Network("lstm", (16,)), rmsprop(5e-3), "logits", batch_size=4, steps=400),
    ),
    healthy(
        "iris_batches_of_2",
        "two flowers a batch",
        Setup(
            "iris",
            Network(units=(16,), activation="tanh"),
            sgd(0.05, momentum=0.5),
            "logits",
            batch_size=2,
            steps=500,
        ),
    ),
    healthy(
        "digit_tokens_bag",
        "rows of an embedding that hardly occur",
        Setup("digit_tokens", Network("bag", (32,)), adamax(0.02), "logits", steps=400),
    ),
    # large inputs, and losses far from 0
    healthy(
        "cancer_raw_normalized",
        "raw features from thousandths to thousands, with batch normalization",
        Setup(
            "cancer",
            Network(units=(24, 24), normalization="batch"),
            sgd(0.1, momentum=0.9),
            "logits",
            inputs="raw",
            steps=300,
        ),
    ),
    healthy(
        "digit_images_cnn_pixels_adamax",
        "pixels from 0 to 255 as they are: AdaMax does not mind",
        Setup(
            "digit_images",
            Network("cnn", (8, 12)),
            adamax(5e-3),
            "logits",
            inputs="pixels",
            steps=400,
        ),
    ),
    healthy(
        "wine_raw_normalized",
        "raw features, with batch normalization",
        Setup(
            "wine",
            Network(units=(24,), normalization="batch"),
            adam(3e-3),
            "logits",
            inputs="raw",
            steps=300,
        ),
    ),
    healthy(
        "clusters_thousands_normalized",
        "features in thousands, with batch normalization",
        Setup(
            "clusters",
            Network(units=(48, 48), normalization="batch"),
            rmsprop(5e-3),
            "logits",
            inputs="thousands",
            steps=400,
        ),
    ),
    healthy(
        "diabetes_offset_of_10000",
        "a loss that begins at 40000 and never falls below 10000",
        Setup(
            "diabetes",
            Network(units=(24,), last_initializer="normal:30"),
            adam(0.03),
            "offset",
            targets="raw",
            steps=400,
        ),
    ),
    healthy(
        "linear_offset_of_10000",
        "a loss that never falls below 10000",
        Setup("linear", Network(units=()), sgd(0.05), "offset", targets="raw", steps=400),
    ),
    healthy(
        "friedman1_loss_below_0",
        "a likelihood whose loss is below 0 in the end",
        Setup(
            "friedman1",
            Network(units=(48, 48), activation="tanh"),
            adamax(0.01),
            "density",
            steps=500,
        ),
    ),
    healthy(
        "s_curve_loss_below_0",
        "a likelihood whose loss ends below 0",
        Setup("s_curve", Network(units=(48, 48)), adam(0.01), "density", steps=500),
    ),
    healthy(
        "digits_sigmoid_outputs",
        "a cross-entropy over sigmoid outputs, which Keras makes add up to 1",
        Setup(
            "digits", Network(units=(64,), last="sigmoid"), adam(0.01), "probabilities", steps=400
        ),
    ),
    healthy(
        "wine_sigmoid_outputs",
        "a cross-entropy over sigmoid outputs",
        Setup(
            "wine", Network(units=(32,), last="sigmoid"), rmsprop(0.01), "probabilities", steps=200
        ),
    ),
    # one batch that passes
    healthy(
        "digits_spike_passes_sgd",
        "one early batch is thirty times as large, and is forgotten",
        Setup(
            "digits",
            Network(units=(48, 48)),
            sgd(0.05),
            "logits",
            spoiled=("times", 4, 10.0),
            steps=400,
        ),
    ),
    healthy(
        "diabetes_spike_passes_rmsprop",
        "one batch whose targets are a thousand times as large; RMSprop forgets it in fifty updates",
        Setup(
            "diabetes",
            Network(units=(24,)),
            rmsprop(5e-3),
            "huber",
            spoiled=("targets times", 6, 1000.0),
            steps=400,
        ),
    ),
    healthy(
        "s_curve_spike_passes_rmsprop",
        "one batch whose targets are ten thousand times as large",
        Setup(
            "s_curve",
            Network(units=(48, 48)),
            rmsprop(3e-3),
            "mse",
            spoiled=("targets times", 7, 1e4),
            steps=500,
        ),
    ),
    healthy(
        "linear_spike_passes_sgd",
        "one early batch whose targets are thirty times as large",
        Setup(
            "linear",
            Network(units=()),
            sgd(0.02),
            "mse",
            spoiled=("targets times", 5, 100.0),
            steps=400,
        ),
    ),
    healthy(
        "digits_spike_passes_adamax",
        "one early batch is a thousand times as large; u forgets it in a hundred updates",
        Setup(
            "digits",
            Network(units=(48, 48)),
            adamax(0.01, beta_2=0.9),
            "logits",
            spoiled=("times", 5, 1000.0),
            steps=400,
        ),
    ),
    healthy(
        "friedman2_spike_passes_adam",
        "one batch whose targets are a thousand times as large; v forgets it",
        Setup(
            "friedman2",
            Network(units=(32, 32)),
            adam(0.01, beta_2=0.9),
            "mse",
            spoiled=("targets times", 6, 1000.0),
            steps=400,
        ),
    ),
    # weights that get no gradient, or none at first
    healthy(
        "digit_tokens_bag_large_vocabulary",
        "rows of an embedding of which one in twenty is ever used",
        Setup(
            "digit_tokens",
            Network("bag", (32,)),
            adam(0.02),
            "logits",
            inputs="tokens far apart",
            steps=400,
        ),
    ),
    healthy(
        "words_transformer_large_vocabulary",
        "rows of an embedding of which one in twenty is ever used",
        Setup(
            "words",
            Network("transformer", (16,)),
            adamax(0.02),
            "logits",
            inputs="tokens far apart",
            steps=400,
        ),
    ),
    healthy(
        "cluster_tokens_bag_large_vocabulary",
        "an embedding of 1421 rows for 72 tokens",
        Setup(
            "cluster_tokens",
            Network("bag", (32, 16)),
            rmsprop(0.01),
            "logits",
            inputs="tokens far apart",
            steps=400,
        ),
    ),
    healthy(
        "friedman_tokens_bag_batches_of_2",
        "two examples a batch: most rows of the embedding have no gradient in any one update",
        Setup(
            "friedman_tokens", Network("bag", (24, 16)), adam(5e-3), "mse", batch_size=2, steps=600
        ),
    ),
    healthy(
        "cluster_tokens_transformer_batches_of_2",
        "two examples a batch: most rows of the embedding have no gradient in any one update",
        Setup(
            "cluster_tokens",
            Network("transformer", (16,)),
            adam(5e-3),
            "logits",
            batch_size=2,
            steps=500,
        ),
    ),
    healthy(
        "digits_gates_of_0",
        "residual layers behind gates that start at 0: at first they get no gradient",
        Setup(
            "digits",
            Network(units=(32,) * 5, residual=True, gates=True),
            adam(5e-3),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "clusters_gates_of_0",
        "residual layers behind gates that start at 0",
        Setup(
            "clusters",
            Network(units=(48,) * 4, residual=True, gates=True),
            sgd(0.1, momentum=0.9),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "digits_head_of_zeros",
        "a last layer that starts at 0: at first nothing before it gets a gradient",
        Setup(
            "digits",
            Network(units=(64,), last_initializer="zeros"),
            rmsprop(2e-3),
            "logits",
            steps=400,
        ),
    ),
    healthy(
        "clouds_cnn_head_of_zeros",
        "a last layer that starts at 0",
        Setup(
            "clouds",
            Network("cnn", (8, 12), last_initializer="zeros"),
            adam(5e-3),
            "logits",
            steps=300,
        ),
    ),
)

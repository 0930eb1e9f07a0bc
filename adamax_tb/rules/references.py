"""Where to read about what the rules find."""

ADAM = "Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, section 2: https://arxiv.org/abs/1412.6980"
ADAMAX = (
    "Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, section 7.1: "
    "https://arxiv.org/abs/1412.6980"
)
AUTODIFF = (
    "TensorFlow, Introduction to gradients, Getting a gradient of None: "
    "https://www.tensorflow.org/guide/autodiff"
)
EMBEDDING = "Keras, the Embedding layer: https://keras.io/api/layers/core_layers/embedding/"
DYING_RELU = (
    "Lu, Shin, Su and Karniadakis, Dying ReLU and Initialization, 2020: "
    "https://arxiv.org/abs/1903.06733"
)
EXPLODING = (
    "Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013: "
    "https://arxiv.org/abs/1211.5063"
)
FORWARD = (
    "He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015: https://arxiv.org/abs/1502.01852"
)
LEARNING_RATE = (
    "Goodfellow, Bengio and Courville, Deep Learning, 2016, section 11.4.1: "
    "https://www.deeplearningbook.org/contents/guidelines.html"
)
LOSS_SCALING = (
    "Micikevicius and others, Mixed Precision Training, 2018: https://arxiv.org/abs/1710.03740"
)
NUMBERS = (
    "Goldberg, What every computer scientist should know about floating-point arithmetic, 1991: "
    "https://docs.oracle.com/cd/E19957-01/806-3568/ncg_goldberg.html"
)
RANDOM_LABELS = (
    "Zhang, Bengio, Hardt, Recht and Vinyals, Understanding deep learning requires rethinking generalization, 2017: "
    "https://arxiv.org/abs/1611.03530"
)
RATE_RANGE = (
    "L. N. Smith, Cyclical Learning Rates for Training Neural Networks, 2017: "
    "https://arxiv.org/abs/1506.01186"
)
VANISHING = (
    "Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010: "
    "https://proceedings.mlr.press/v9/glorot10a.html"
)
LOSSES = "Keras, Probabilistic losses: https://keras.io/api/losses/probabilistic_losses/"
REPLICAS = (
    "Li and others, PyTorch Distributed: Experiences on Accelerating Data Parallel Training, 2020, section 2.1: "
    "https://arxiv.org/abs/2006.15704"
)
SCALING = (
    "LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998, section 4.3: "
    "https://doi.org/10.1007/3-540-49430-8_2"
)

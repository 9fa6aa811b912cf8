package io.sparkweld
package ml

import org.apache.spark.ml.classification.{MultilayerPerceptronClassificationModel, NaiveBayesModel}
import org.apache.spark.ml.clustering.KMeansModel

/** Describes naive Bayes, k-means and multilayer perceptron models. */
private[ml] object OtherModels {
  import Vectors.isOf

  private val Scoring = Set("predictRaw", "predictProbability", "predict")

  val stages: PartialFunction[Closure, MlStage] = {
    case Predicting(model: NaiveBayesModel, call) if isOf[NaiveBayesModel](model) =>
      val stage = Classifying.withThresholds(MlStage(s"NaiveBayesModel.$call").text("kind", model.getModelType), model)
      if (!Scoring(call)) stage
      else stage.doubles("pi", model.pi.toArray).doubles("theta", LinearModels.byRow(model.theta))
        .doubles("sigma", if (model.getModelType == "gaussian") LinearModels.byRow(model.sigma) else Array.emptyDoubleArray)
    case Predicting(model: KMeansModel, "predict") if isOf[KMeansModel](model) =>
      val centers = model.clusterCenters
      MlStage("KMeansModel.predict").doubles("centers", centers.flatMap(_.toArray)).int("count", centers.length)
        .text("measure", model.getDistanceMeasure)
    case Predicting(model: MultilayerPerceptronClassificationModel, call) if isOf[MultilayerPerceptronClassificationModel](model) =>
      val stage = Classifying.withThresholds(MlStage(s"MultilayerPerceptronClassificationModel.$call"), model)
      if (Scoring(call)) stage.ints("layers", model.getLayers).doubles("weights", model.weights.toArray) else stage
  }
}

package io.sparkweld
package ml

import org.apache.spark.ml.classification.{LinearSVCModel, LogisticRegressionModel}
import org.apache.spark.ml.linalg.{Matrix, SparseMatrix}
import org.apache.spark.ml.regression.{GeneralizedLinearRegressionModel, LinearRegressionModel}

/** Describes models that are weighted sums of the features. */
private[ml] object LinearModels {
  import Vectors.isOf

  private val Generalized = "org.apache.spark.ml.regression.GeneralizedLinearRegressionModel"

  val stages: PartialFunction[Closure, MlStage] = {
    case Predicting(model: LinearRegressionModel, "predict") if isOf[LinearRegressionModel](model) =>
      MlStage("LinearRegressionModel.predict").doubles("coefficients", model.coefficients.toArray)
        .doubles("intercepts", Array(model.intercept))
    case Predicting(model: LogisticRegressionModel, call) if isOf[LogisticRegressionModel](model) => logistic(model, call)
    case Predicting(model: LinearSVCModel, call) if isOf[LinearSVCModel](model) =>
      MlStage(s"LinearSVCModel.$call").doubles("coefficients", model.coefficients.toArray).doubles("intercepts", Array(model.intercept))
        .number("threshold", model.getThreshold)
    case Closure(Generalized, calls, Seq(model: GeneralizedLinearRegressionModel)) if isOf[GeneralizedLinearRegressionModel](model) =>
      val call = calls.find(Set("predictLink", "fitted", "predict")).getOrElse(throw new UnknownStage("SW900", Generalized))
      MlStage(s"GeneralizedLinearRegressionModel.$call").doubles("coefficients", model.coefficients.toArray)
        .doubles("intercepts", Array(model.intercept)).text("family", model.getFamily.toLowerCase(java.util.Locale.ROOT))
        .text("link", if (model.isDefined(model.link)) model.getLink.toLowerCase(java.util.Locale.ROOT) else "")
  }

  private def logistic(model: LogisticRegressionModel, call: String): MlStage = {
    val binomial = model.coefficientMatrix.numRows == 1 && model.numClasses == 2
    if (!binomial && model.coefficientMatrix.numRows != model.numClasses) {
      throw new UnknownStage("SW901", s"LogisticRegressionModel of ${model.numClasses} classes")
    }
    val stage = MlStage(s"LogisticRegressionModel.$call").flag("binomial", binomial).int("classes", model.numClasses)
    val learned =
      if (!Set("predictRaw", "predictProbability", "predict")(call)) stage
      else stage.doubles("coefficients", byRow(model.coefficientMatrix)).doubles("intercepts", model.interceptVector.toArray)
    // Spark adds the product of a column-major sparse matrix and a sparse vector to the intercepts term by term.
    val fromIntercepts = model.coefficientMatrix.isInstanceOf[SparseMatrix] && !model.coefficientMatrix.isTransposed
    if (!binomial) Classifying.withThresholds(learned.flag("fromIntercepts", fromIntercepts), model)
    else {
      // As in the model itself: a probability, and the score at which it is reached.
      val threshold = model.getThreshold
      val score =
        if (threshold == 0.0) Double.NegativeInfinity
        else if (threshold == 1.0) Double.PositiveInfinity
        else math.log(threshold / (1.0 - threshold))
      learned.number("threshold", threshold).number("score", score)
    }
  }

  /** Returns the numbers of a matrix in row-major order. */
  def byRow(matrix: Matrix): Array[Double] =
    Array.tabulate(matrix.numRows * matrix.numCols)(i => matrix(i / matrix.numCols, i % matrix.numCols))
}

package io.sparkweld
package ml

import org.apache.spark.ml.feature.PolynomialExpansion
import org.apache.spark.ml.linalg.DenseMatrix
import org.apache.spark.mllib.feature.{ElementwiseProduct, Normalizer}

/** Describes transformers from vectors to vectors, except the scalers. */
private[ml] object Vectors {
  val stages: PartialFunction[Closure, MlStage] = {
    case Closure("org.apache.spark.ml.feature.PCAModel", calls, Seq(components: DenseMatrix)) if calls("multiply") =>
      MlStage("PCAModel").doubles("components", LinearModels.byRow(components)).int("count", components.numRows)
    case Closure("org.apache.spark.ml.feature.PolynomialExpansion", _, Seq(model: PolynomialExpansion)) if isOf[PolynomialExpansion](model) =>
      MlStage("PolynomialExpansion").int("degree", model.getDegree)
    case Closure("org.apache.spark.ml.feature.Binarizer", _, Seq(threshold: java.lang.Double)) =>
      MlStage("Binarizer").number("threshold", threshold)
    case Closure("org.apache.spark.ml.feature.VectorSlicer", _, Seq(indices: Array[Int], _: java.lang.Boolean)) =>
      MlStage("VectorSlicer").ints("indices", indices)
    case Closure("org.apache.spark.ml.feature.Normalizer", _, Seq(model: Normalizer)) =>
      MlStage("Normalizer").number("p", fieldOf(model, "p").asInstanceOf[Double])
    case Closure("org.apache.spark.ml.feature.ElementwiseProduct", _, Seq(_: Integer, model: ElementwiseProduct)) =>
      MlStage("ElementwiseProduct").doubles("scale", model.scalingVec.toArray)
  }

  /** Returns the value of a private field. */
  def fieldOf(model: AnyRef, name: String): AnyRef = {
    val field = model.getClass.getDeclaredField(name)
    field.setAccessible(true)
    field.get(model)
  }

  /** Whether an object is of exactly this class. */
  def isOf[M: reflect.ClassTag](model: AnyRef): Boolean = model.getClass == implicitly[reflect.ClassTag[M]].runtimeClass
}

package io.sparkweld
package ml

/**
 * Describes the scalers.
 *
 * Those that only shift and scale share the functions of StandardScalerModel.
 */
private[ml] object Scaling {
  private val Standard = "org.apache.spark.ml.feature.StandardScalerModel"

  val stages: PartialFunction[Closure, MlStage] = {
    case Closure(Standard, calls, Seq(shift: Array[Double], scale: Array[Double])) if calls("transformWithBoth") =>
      MlStage("StandardScalerModel").doubles("shift", shift).doubles("scale", scale)
    case Closure(Standard, calls, Seq(shift: Array[Double])) if calls("transformWithShift") =>
      MlStage("StandardScalerModel").doubles("shift", shift)
    case Closure(Standard, calls, Seq(scale: Array[Double])) if calls("transformDenseWithScale") =>
      MlStage("StandardScalerModel").doubles("scale", scale)
    case Closure(Standard, _, Seq()) => MlStage("StandardScalerModel")
    case Closure("org.apache.spark.ml.feature.MinMaxScalerModel", _,
          Seq(_: Integer, scale: Array[Double], least: Array[Double], low: java.lang.Double, constant: java.lang.Double)) =>
      MlStage("MinMaxScalerModel").doubles("scale", scale).doubles("least", least).number("low", low).number("constant", constant)
  }
}

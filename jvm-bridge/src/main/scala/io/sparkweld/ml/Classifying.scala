package io.sparkweld
package ml

import org.apache.spark.broadcast.Broadcast
import org.apache.spark.ml.Model
import org.apache.spark.ml.param.shared.HasThresholds

/** Matches calls of a fitted model's methods by functions of `transform`; some capture a broadcast of the model. */
private[ml] object Predicting {
  private val owners = Set("org.apache.spark.ml.PredictionModel", "org.apache.spark.ml.classification.ClassificationModel",
    "org.apache.spark.ml.classification.ProbabilisticClassificationModel")
  private val methods = Set("predictRaw", "predictProbability", "predict", "raw2probability", "raw2prediction", "probability2prediction")

  def unapply(closure: Closure): Option[(Model[_], String)] = closure match {
    case Closure(owner, calls, Seq(captured)) => captured match {
      case model: Model[_] if owners(owner) || owner == model.getClass.getName => calls.find(methods).map((model, _))
      case broadcast: Broadcast[_] => broadcast.value match {
        case model: Model[_] if owner == model.getClass.getName => calls.find(methods).map((model, _))
        case _ => None
      }
      case _ => None
    }
    case _ => None
  }
}

/** Describes the step from scores to classes, which is the same in all classifiers that do not override it. */
private[ml] object Classifying {
  /** Returns the stage with the model's thresholds, if it has any. */
  def withThresholds(stage: MlStage, model: Model[_]): MlStage = model match {
    case with_ : HasThresholds if with_.isDefined(with_.thresholds) => stage.doubles("thresholds", with_.getThresholds)
    case _ => stage
  }
}
